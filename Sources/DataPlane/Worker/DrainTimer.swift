// Moves a drain on: what share of the connections is told to close grows from none to all over
// the drain time, or is all at once.

final class DrainTimer: TimerTarget {
  private let context: WorkerContext
  private let handles: HandleTable
  private let immediately: Bool
  private let length: UInt64
  private let inboundOnly: Bool
  private var began: UInt64 = 0
  private var timer = TimerID.none
  /// When the drain time is over.
  var atEnd: (() -> Void)?

  init(
    context: WorkerContext, handles: HandleTable, immediately: Bool, length: UInt64,
    inboundOnly: Bool
  ) {
    self.context = context
    self.handles = handles
    self.immediately = immediately
    self.length = length
    self.inboundOnly = inboundOnly
  }

  func start() {
    began = context.reactor.now
    step(context.reactor.now)
  }

  /// Another drain takes its place.
  func end() {
    context.reactor.timers.cancel(&timer)
    atEnd = nil
  }

  override func timerFired(now: UInt64) {
    timer = .none
    step(now)
  }

  private func step(_ now: UInt64) {
    let elapsed = now &- began
    // In 1/65536: the share of connections that close now.
    let share: UInt64 =
      immediately || elapsed >= length || length == 0
      ? 65_536 : (elapsed >> 10) &* 65_536 / ((length >> 10) | 1)
    context.drain.set(share: share, inboundOnly: inboundOnly)
    for connection in handles.connections.all where context.random.next(below: 65_536) < share {
      if inboundOnly, !connection.owner.isInbound { continue }
      connection.drain()
    }
    if elapsed >= length {
      atEnd?()
      atEnd = nil
    } else if share < 65_536 || atEnd != nil {
      let interval = Swift.min(Swift.max(length / 50, 20_000_000), 2_000_000_000)
      timer = context.reactor.timers.add(self, at: now &+ interval)
    }
  }
}
