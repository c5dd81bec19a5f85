// What every scope of a filter can do: write to the log, read the clock, set timers, be woken.
public import CMartletABI

/// The severity of a line in the log.
@frozen
public enum LogLevel: martlet_log_level, Sendable {
  case trace, debug, info, warning, error, critical
}

/// Something of a filter that the host knows: its configuration, its worker, its stream or its
/// connection. The conforming types are the SDK's.
public protocol HostScope: ~Copyable, ~Escapable {
  /// The SDK's own.
  var _handle: martlet_handle { get }
  /// The SDK's own.
  var _services: UnsafePointer<HostServices> { get }
}

extension HostScope where Self: ~Copyable & ~Escapable {
  /// Writes a line to the proxy's log under the plugin's name. `message` is not evaluated where the
  /// level is not written.
  @inlinable
  public func log(_ level: LogLevel, _ message: @autoclosure () -> String) {
    let core = _services.pointee.core
    guard core.log_enabled(level.rawValue) else { return }
    message().withHostBytes { _ = core.log(_handle, level.rawValue, $0) }
  }

  /// Nanoseconds of a clock that never goes back; on a worker the time of its present turn.
  @inlinable
  public var now: UInt64 { _services.pointee.core.now() }

  /// Nanoseconds since 1970, UTC.
  @inlinable
  public var wallClock: UInt64 { _services.pointee.core.wall_clock() }

  /// 64 random bits: good enough for sampling, not for keys.
  @inlinable
  public var random: UInt64 { _services.pointee.core.random() }

  /// Calls the scope's `onTimer` hook after `milliseconds`, at least 1, on its own thread. A scope
  /// has the timers 0 to 7; setting one that is set replaces it.
  @inlinable
  @discardableResult
  public func setTimer(_ timer: Int, milliseconds: UInt64) -> HostStatus {
    guard let timer = UInt32(exactly: timer) else { return .argument }
    return HostStatus(_services.pointee.core.set_timer(_handle, timer, max(milliseconds, 1)))
  }

  /// Takes a timer off.
  @inlinable
  @discardableResult
  public func cancelTimer(_ timer: Int) -> HostStatus {
    guard let timer = UInt32(exactly: timer) else { return .argument }
    return HostStatus(_services.pointee.core.set_timer(_handle, timer, 0))
  }

  /// A way back into this scope from any thread; it may be stored.
  @inlinable
  public var waker: Waker { Waker(handle: _handle, services: _services) }
}

/// Calls a scope's `onWake` hook from any thread. A scope that has ended by then is not woken.
@frozen
public struct Waker: @unchecked Sendable {
  @usableFromInline let handle: martlet_handle
  @usableFromInline let services: UnsafePointer<HostServices>

  @inlinable
  init(handle: martlet_handle, services: UnsafePointer<HostServices>) {
    self.handle = handle
    self.services = services
  }

  /// `.gone` where the scope has ended. `token` is handed to the hook. Any thread.
  @inlinable
  @discardableResult
  public func wake(_ token: UInt64 = 0) -> HostStatus {
    HostStatus(services.pointee.core.wake(handle, token))
  }
}
