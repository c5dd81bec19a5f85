// One connection, as a filter sees it.
public import CMartletABI

/// How a connection is closed.
@frozen
public enum CloseMode: martlet_close_mode, Sendable {
  /// After what is queued has been written.
  case flush = 0
  /// At once; what is queued is lost.
  case now = 1
  /// At once, with a TCP reset.
  case reset = 2
}

/// One connection, from the place of this filter in its chain. Valid for the hook that it is handed
/// to; on the connection's worker thread alone.
@frozen
public struct NetworkConnection: StreamScope, ~Copyable, ~Escapable {
  public let _handle: martlet_handle
  public let _services: UnsafePointer<HostServices>

  @inlinable
  @_lifetime(immortal)
  init(_ header: SlotHeader) {
    _handle = header.handle
    _services = header.worker.pointee.services
  }

  @inlinable
  var network: martlet_host_network { _services.pointee.network }

  /// The bytes that have come and were not drained, in one piece; a change of the connection ends
  /// the view, which the compiler checks.
  @inlinable
  public var received: BytesView {
    @_lifetime(borrow self)
    get {
      var bytes = martlet_bytes()
      _ = network.read_buffer(_handle, &bytes)
      return _overrideLifetime(BytesView(unsafe: bytes), borrowing: self)
    }
  }

  /// Removes the first `count` of them: the filters behind never see them.
  @inlinable
  @discardableResult
  public mutating func drainReceived(_ count: Int) -> HostStatus {
    HostStatus(network.read_drain(_handle, count))
  }

  /// These bytes in place of all that were not drained. Only in `onData`.
  @inlinable
  @discardableResult
  public mutating func replaceReceived(
    with bytes: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    bytes.withHostBytes { HostStatus(network.read_replace(_handle, $0)) }
  }

  /// The first piece of the bytes on their way out. Only in `onWrite`.
  @inlinable
  public var outgoing: BytesView {
    @_lifetime(borrow self)
    get {
      var bytes = martlet_bytes()
      var total = 0
      _ = network.write_buffer(_handle, &bytes, &total)
      return _overrideLifetime(BytesView(unsafe: bytes), borrowing: self)
    }
  }

  /// How many bytes are on their way out, in all pieces. Only in `onWrite`.
  @inlinable
  public var outgoingCount: Int {
    var bytes = martlet_bytes()
    var total = 0
    _ = network.write_buffer(_handle, &bytes, &total)
    return total
  }

  /// Removes the first `count` bytes on their way out. Only in `onWrite`.
  @inlinable
  @discardableResult
  public mutating func drainOutgoing(_ count: Int) -> HostStatus {
    HostStatus(network.write_drain(_handle, count))
  }

  /// Queues bytes for the peer, past the filters' `onWrite` hooks; `end` closes the write side when
  /// they are out.
  @inlinable
  @discardableResult
  public mutating func write(
    _ bytes: borrowing some BytesConvertible & ~Copyable & ~Escapable, end: Bool = false
  ) -> HostStatus {
    bytes.withHostBytes { HostStatus(network.write(_handle, $0, end)) }
  }

  /// Writes back what has come, and drains it.
  @inlinable
  @discardableResult
  public mutating func echo() -> HostStatus {
    var bytes = martlet_bytes()
    _ = network.read_buffer(_handle, &bytes)
    let status = network.write(_handle, bytes, false)
    guard status == MARTLET_OK else { return HostStatus(status) }
    return HostStatus(network.read_drain(_handle, bytes.size))
  }

  /// Closes the connection, when the hook has returned.
  @discardableResult
  public mutating func close(_ mode: CloseMode = .flush) -> HostStatus {
    HostStatus(network.close(_handle, mode.rawValue))
  }

  /// Goes on behind a filter that has stopped, when the hook has returned.
  @discardableResult
  public func resume() -> HostStatus { HostStatus(network.continue_reading(_handle)) }

  /// Stops or resumes reading from the peer: back-pressure.
  @discardableResult
  public func setReading(_ isOn: Bool) -> HostStatus {
    HostStatus(network.disable_reading(_handle, !isOn))
  }
}
