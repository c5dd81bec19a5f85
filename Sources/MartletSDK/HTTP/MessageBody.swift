// What a filter has before it of a message's body.
public import CMartletABI

/// All of a body that has come and was not passed on; what is left of it after the hook goes on.
/// Pieces are seen in place and cannot outlive a change of the body, which the compiler checks.
@frozen
public struct MessageBody: ~Copyable, ~Escapable {
  @usableFromInline let handle: martlet_handle
  @usableFromInline let services: UnsafePointer<HostServices>
  @usableFromInline let direction: MessageDirection

  @inlinable
  @_lifetime(immortal)
  init(
    handle: martlet_handle, services: UnsafePointer<HostServices>, direction: MessageDirection
  ) {
    self.handle = handle
    self.services = services
    self.direction = direction
  }

  @inlinable
  var http: martlet_host_http { services.pointee.http }

  /// How many bytes there are.
  @inlinable
  public var count: Int {
    var size = 0
    _ = http.body_size(handle, direction.rawValue, &size)
    return size
  }

  /// The piece at `index`, from 0, or nil behind the last.
  @inlinable
  @_lifetime(borrow self)
  public func piece(_ index: Int) -> BytesView? {
    var bytes = martlet_bytes()
    guard index >= 0, http.body_piece(handle, direction.rawValue, index, &bytes) == MARTLET_OK else {
      return nil
    }
    return _overrideLifetime(BytesView(unsafe: bytes), borrowing: self)
  }

  /// A copy of all of it.
  public func copy() -> [UInt8] {
    var all: [UInt8] = []
    all.reserveCapacity(count)
    var index = 0
    while let piece = piece(index) {
      all.append(contentsOf: UnsafeRawBufferPointer(start: piece.base, count: piece.count))
      index += 1
    }
    return all
  }

  /// Removes the first `count` bytes.
  @inlinable
  @discardableResult
  public mutating func drain(_ count: Int) -> HostStatus {
    HostStatus(http.body_drain(handle, direction.rawValue, count))
  }

  /// Adds bytes behind; in a headers hook with `end`, gives the message a body.
  @inlinable
  @discardableResult
  public mutating func append(
    _ bytes: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    bytes.withHostBytes { HostStatus(http.body_append(handle, direction.rawValue, $0)) }
  }

  /// These bytes in place of all of them.
  @inlinable
  @discardableResult
  public mutating func replace(
    with bytes: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    bytes.withHostBytes { HostStatus(http.body_replace(handle, direction.rawValue, $0)) }
  }
}
