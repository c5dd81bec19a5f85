// The states of a process from its start to its end, and what moves it from one to the next. A
// state machine without a clock or a socket of its own: the main thread tells it what happened
// and does what it answers, tests do the same.
import Admin

/// Where the process is, and when it ends.
///
///     preInitializing -> live -> draining -> (ended)
///                          \________________/   at once: quit, or a second signal
struct Lifecycle: Sendable {
  enum Action: Sendable, Hashable {
    case none
    /// Tell the data plane to drain.
    case beginDrain
    /// Stop everything and end the process with 0.
    case end(EndReason)
  }
  enum EndReason: Sendable, Hashable {
    /// The last connection is gone.
    case drained
    /// `--drain-time-s` or `--parent-shutdown-time-s` is over.
    case drainTimeOver
    /// A second signal.
    case secondSignal
    /// POST /quitquitquit.
    case quit
  }

  private(set) var state = ServerState.preInitializing
  /// How long a drain may last: the shorter of drain time and parent shutdown time.
  let drainLimit: Duration
  private var drainEnds: ContinuousClock.Instant?

  init(drainTime: Duration, parentShutdownTime: Duration) {
    drainLimit = min(drainTime, parentShutdownTime)
  }

  mutating func started() { state = .live }

  /// SIGTERM or SIGINT.
  mutating func terminate(now: ContinuousClock.Instant) -> Action {
    guard state != .draining else { return .end(.secondSignal) }
    state = .draining
    drainEnds = now + drainLimit
    return .beginDrain
  }

  /// Looks whether a drain is over.
  func check(now: ContinuousClock.Instant, activeConnections: Int) -> Action {
    guard state == .draining, let drainEnds else { return .none }
    if activeConnections == 0 { return .end(.drained) }
    return now >= drainEnds ? .end(.drainTimeOver) : .none
  }
}
