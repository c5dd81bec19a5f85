// Listening sockets that outlive the process: a supervisor keeps them, so that connections which come while
// the process is started again wait in the kernel's queue.
import Model

/// Whoever keeps descriptors by names. The functions are called from any thread, rarely, and may block
/// shortly.
public struct SocketKeeper: Sendable {
  /// The socket that is kept by this name, as a descriptor of the caller's own; nil: there is none.
  public var take: @Sendable (String) -> Int32?
  /// Keeps a copy from now on.
  public var keep: @Sendable (String, Int32) -> Void
  /// Nobody is to listen there any more.
  public var drop: @Sendable (String) -> Void
  /// The process has all its sockets; what it has not asked for is not wanted any more.
  public var settle: @Sendable () -> Void

  public init(
    take: @escaping @Sendable (String) -> Int32?, keep: @escaping @Sendable (String, Int32) -> Void,
    drop: @escaping @Sendable (String) -> Void, settle: @escaping @Sendable () -> Void
  ) {
    self.take = take
    self.keep = keep
    self.drop = drop
    self.settle = settle
  }
}

extension ListenSocket {
  /// By which a worker's socket is kept: everything that it is made by.
  static func keptName(_ address: Listener.Address, _ listener: Listener, worker: Int) -> String {
    "\(listener.name)#\(worker) \(BoundAddress.key(address, listener))"
  }
}
