// Signals are not handled, they are waited for: blocked before any other thread exists, so that
// every thread inherits the mask, and taken one by one by the main thread. No code ever runs in
// a signal handler.
import CMartletBlame
import Glibc

/// The signals the process answers to.
struct SignalMask: Sendable {
  enum Signal: Sendable {
    /// SIGTERM, SIGINT: end, after a drain.
    case terminate
    /// SIGUSR1: open log files again.
    case reopenLogs
    /// SIGHUP: the runtime layers on disk are read again.
    case hangUp
    /// SIGUSR2, which the process sends itself to look at what another thread asked for.
    case wake
  }

  private let set: sigset_t

  /// Blocks them in this thread and all that it starts. SIGPIPE is ignored: a write says it too.
  static func install() -> SignalMask {
    signal(SIGPIPE, SIG_IGN)
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP] { sigaddset(&set, number) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    return SignalMask(set: set)
  }

  /// The next signal, or nil when the time is over.
  func wait(_ timeout: Duration) -> Signal? {
    let (seconds, attoseconds) = max(timeout, .zero).components
    var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    var set = set
    let number = sigtimedwait(&set, nil, &time)
    if number == SIGUSR1 || number == SIGUSR2 { martlet_crash_yield(number) }
    switch number {
    case SIGTERM, SIGINT: return .terminate
    case SIGUSR1: return .reopenLogs
    case SIGHUP: return .hangUp
    case SIGUSR2: return .wake
    default: return nil
    }
  }

  /// As if SIGUSR1 had come. From any thread.
  static func reopenLogs() { kill(getpid(), SIGUSR1) }

  /// Makes `wait` return in the thread that waits. From any thread.
  static func wake() { kill(getpid(), SIGUSR2) }
}
