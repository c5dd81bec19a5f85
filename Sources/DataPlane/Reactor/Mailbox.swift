// How other threads reach a worker: a list of closures under a lock, and an eventfd that wakes
// the loop. Used for configurations, drains and questions, never on the request path.
import CMartletSystem
import Model

final class Mailbox: EventSource, @unchecked Sendable {
  private let descriptor: Int32
  private let messages = Locked<[@Sendable () -> Void]>([])

  override init() {
    descriptor = martlet_eventfd()
    precondition(descriptor >= 0, "eventfd: no descriptor left at start")
    super.init()
  }

  deinit { martlet_close(descriptor) }

  /// On the worker, before the loop runs.
  func attach(to reactor: Reactor) {
    let result = reactor.register(self, descriptor: descriptor, events: MARTLET_EPOLL_IN)
    precondition(result == 0, "epoll_ctl: cannot add the worker's mailbox")
  }

  /// From any thread. `message` runs on the worker, in the order of posting.
  func post(_ message: @escaping @Sendable () -> Void) {
    messages.withLock { $0.append(message) }
    var one: UInt64 = 1
    _ = martlet_write(descriptor, &one, 8)
  }

  override func ready(_ events: UInt32) {
    var count: UInt64 = 0
    _ = martlet_read(descriptor, &count, 8)
    let taken = messages.withLock { list in
      let taken = list
      list.removeAll()
      return taken
    }
    for message in taken { message() }
  }
}
