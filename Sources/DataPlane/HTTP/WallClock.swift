// The time of day for a moment of the reactor's clock, without a system call a moment.
import CMartletSystem

struct WallClock {
  private var offset: Int64 = 0
  private var nextLook: UInt64 = 0

  // The parts of the second that was written last: log lines of one second share them.
  private var brokenDown: Int64 = .min
  private var parts = tm()
  private var localBrokenDown: Int64 = .min
  private var localParts = tm()

  /// Nanoseconds since 1970 at `moment`; `now` is the reactor's present. The clocks are compared
  /// once a second.
  @inline(__always)
  mutating func nanoseconds(at moment: UInt64, now: UInt64) -> Int64 {
    if now >= nextLook { compare(now) }
    return Int64(bitPattern: moment) &+ offset
  }

  @inline(never)
  private mutating func compare(_ now: UInt64) {
    nextLook = now &+ 1_000_000_000
    offset = martlet_wall_nanoseconds() &- Int64(bitPattern: martlet_monotonic_nanoseconds())
  }

  /// A second in UTC or in the system's zone.
  mutating func brokenDown(_ seconds: Int64, isLocal: Bool) -> tm {
    var clock = time_t(seconds)
    if isLocal {
      if seconds != localBrokenDown {
        localtime_r(&clock, &localParts)
        localBrokenDown = seconds
      }
      return localParts
    }
    if seconds != brokenDown {
      gmtime_r(&clock, &parts)
      brokenDown = seconds
    }
    return parts
  }
}
