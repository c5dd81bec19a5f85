// How the host answered.
public import CMartletABI

/// What a call of the host came to. Calls of a hook on its own stream seldom fail; where one may,
/// its documentation says with what.
@frozen
public struct HostStatus: Equatable, Sendable {
  /// The number as the C interface has it: 0 or below.
  public let code: martlet_status

  @inlinable
  init(_ code: martlet_status) { self.code = code }

  /// It is done.
  @inlinable public static var ok: HostStatus { HostStatus(MARTLET_OK) }
  /// The stream, connection or scope has ended, or belongs to another thread.
  @inlinable public static var gone: HostStatus { HostStatus(MARTLET_E_GONE) }
  /// An argument is out of its range: a header of the message's framing, a number of bytes.
  @inlinable public static var argument: HostStatus { HostStatus(MARTLET_E_ARGUMENT) }
  /// Not possible any more or not yet: a header whose message has passed on.
  @inlinable public static var state: HostStatus { HostStatus(MARTLET_E_STATE) }
  /// There is none.
  @inlinable public static var notFound: HostStatus { HostStatus(MARTLET_E_NOT_FOUND) }
  /// More than the host allows.
  @inlinable public static var limit: HostStatus { HostStatus(MARTLET_E_LIMIT) }
  /// Somebody else was first.
  @inlinable public static var conflict: HostStatus { HostStatus(MARTLET_E_CONFLICT) }

  /// Whether it is done.
  @inlinable public var isOK: Bool { code == MARTLET_OK }
}
