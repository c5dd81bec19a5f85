// What the author of a network filter writes: a type that conforms to NetworkFilter, and to one more
// protocol for each hook that it wants.

/// What a network hook wants of the chain.
public enum NetworkStatus: Int32, Sendable {
  /// On to the next filter.
  case `continue` = 0
  /// Stop here until told to go on, or the next bytes.
  case stop = 1
}

/// A filter for one connection: a struct or a final class, on the connection's worker thread. None
/// of its hooks is called inside another. Hooks are handed what `HTTPFilter`'s are.
public protocol NetworkFilter: SendableMetatype {
  /// The configuration, compiled.
  associatedtype Settings: FilterSettings
  /// What hooks are handed: `Settings`, or a `FilterWorker` of these settings.
  associatedtype Shared: AnyObject = Settings

  /// The filter's usual name: "com.example.audit".
  static var name: String { get }
  /// The messages of its configuration; `.none` for JSON.
  static var descriptors: Descriptors { get }
  /// Whether it ends its chain: nothing stands behind it.
  static var isTerminal: Bool { get }
  /// As `HTTPFilter.isStateful`.
  static var isStateful: Bool { get }

  init(_ connection: inout NetworkConnection, _ shared: Shared)

  /// The SDK's own: which hooks there are.
  static var _newConnection: NetworkDispatch.Plain? { get }
  /// The SDK's own.
  static var _data: NetworkDispatch.Data? { get }
  /// The SDK's own.
  static var _write: NetworkDispatch.Plain? { get }
  /// The SDK's own.
  static var _connectionTimer: NetworkDispatch.Timer? { get }
  /// The SDK's own.
  static var _connectionWake: NetworkDispatch.Wake? { get }
  /// The SDK's own.
  static var _close: NetworkDispatch.Close? { get }
}

extension NetworkFilter {
  public static var descriptors: Descriptors { .none }
  public static var isTerminal: Bool { false }
  public static var isStateful: Bool { false }

  @inlinable public static var _newConnection: NetworkDispatch.Plain? { nil }
  @inlinable public static var _data: NetworkDispatch.Data? { nil }
  @inlinable public static var _write: NetworkDispatch.Plain? { nil }
  @inlinable public static var _connectionTimer: NetworkDispatch.Timer? { nil }
  @inlinable public static var _connectionWake: NetworkDispatch.Wake? { nil }
  @inlinable public static var _close: NetworkDispatch.Close? { nil }
}

/// The connection stands. `.stop` keeps it from the filters behind.
public protocol OnNewConnection: NetworkFilter {
  mutating func onNewConnection(
    _ connection: inout NetworkConnection, _ shared: Shared
  ) -> NetworkStatus
}

/// Bytes have come, or (`end`) the peer has sent its last. What is not drained is offered again with
/// what comes next.
public protocol OnData: NetworkFilter {
  mutating func onData(
    _ connection: inout NetworkConnection, _ shared: Shared, end: Bool
  ) -> NetworkStatus
}

/// Bytes are on their way out. `.stop` holds them until the next. A chain in which no filter has this
/// hook never stages what it writes.
public protocol OnWrite: NetworkFilter {
  mutating func onWrite(_ connection: inout NetworkConnection, _ shared: Shared) -> NetworkStatus
}

/// A timer of the connection is due.
public protocol OnConnectionTimer: NetworkFilter {
  mutating func onTimer(_ connection: inout NetworkConnection, _ shared: Shared, timer: Int)
}

/// A `Waker` of the connection was used.
public protocol OnConnectionWake: NetworkFilter {
  mutating func onWake(_ connection: inout NetworkConnection, _ shared: Shared, token: UInt64)
}

/// The connection has ended: facts and metrics can still be asked for and set, nothing else can be
/// done. Once.
public protocol OnClose: NetworkFilter {
  mutating func onClose(_ connection: inout NetworkConnection, _ shared: Shared)
}
