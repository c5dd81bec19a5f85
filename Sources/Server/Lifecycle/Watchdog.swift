// The thread that looks at calls into plugins from outside: it marks those that are under way, so that they
// measure themselves when they end, names those that do not end, and logs which functions were over their
// budgets.
//
// It looks twice a budget, so that what is longer than one and a half is always counted and what is shorter
// than one never. While no plugin is called it sleeps until one is.
import CMartletBlame
import DataPlane
import Glibc
import Model

final class Watchdog: @unchecked Sendable {
  private let log: Log
  private let isStopping = Locked(false)
  private var thread = pthread_t()

  // On the watchdog's thread alone.
  private var reporter = OverrunReporter()
  private var stuck = StuckCalls()
  private var lastCalls: UInt64 = 0
  private var quietSince = ContinuousClock.now
  private var lookedAtTallies = ContinuousClock.now
  private var period: UInt64 = 0

  /// How often it looks at most and at least, whatever the budgets are.
  private static let periods = (shortest: UInt64(500_000), longest: UInt64(100_000_000))
  /// How often it looks at what has been counted: there is more of it than there are threads.
  private static let tallyPeriod = Duration.milliseconds(50)
  /// Without a call for so long it sleeps until there is one.
  private static let quietAfter = Duration.seconds(1)
  private static let longSleep: UInt64 = 10_000_000_000

  init(log: Log) {
    self.log = log
    let code = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Watchdog>.fromOpaque(argument.unsafelyUnwrapped).takeUnretainedValue().main()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    precondition(code == 0, "pthread_create: no thread for the watchdog")
  }

  /// Returns when its thread has ended.
  func stop() {
    isStopping.withLock { $0 = true }
    martlet_watch_wake()
    pthread_join(thread, nil)
  }

  private func main() {
    martlet_watch_name()
    // Budgets may have changed while it slept.
    var wasWoken = true
    while !isStopping.withLock({ $0 }) {
      let isBusy = observe()
      let now = ContinuousClock.now
      if isBusy { quietSince = now }
      // Before a long sleep in any case: what was counted since would be told after it.
      let mayBeQuiet = quietSince.duration(to: now) > Self.quietAfter
      if wasWoken || mayBeQuiet || lookedAtTallies.duration(to: now) >= Self.tallyPeriod {
        lookedAtTallies = now
        lookAtTallies(now)
      }
      let isQuiet = quietSince.duration(to: now) > Self.quietAfter
      wasWoken = martlet_watch_sleep(isQuiet ? Self.longSleep : period, isQuiet)
    }
  }

  /// Whether there have been calls, who was over his budget, and what the shortest is.
  private func lookAtTallies(_ now: ContinuousClock.Instant) {
    var calls: UInt64 = 0
    var shortest = UInt64.max
    for tally in PluginTally.all {
      shortest = min(shortest, tally.budget)
      for hook in PluginTally.hooks { calls &+= tally.calls(hook) }
      for line in reporter.look(at: tally, now: now) { log.write(.warning, .filter, line) }
    }
    if calls != lastCalls {
      lastCalls = calls
      quietSince = now
    }
    period = min(max(shortest / 2, Self.periods.shortest), Self.periods.longest)
  }

  private func observe() -> Bool {
    let seen = withUnsafeTemporaryAllocation(of: martlet_observation.self, capacity: 300) { buffer in
      let count = martlet_slots_observe(buffer.baseAddress, buffer.count)
      return Array(buffer[..<count])
    }
    for line in stuck.look(at: seen, now: .now) { log.write(.critical, .filter, line) }
    return !seen.isEmpty
  }
}
