// How much of a response may go out now: a bucket that fills all the time and holds a second's worth.

struct RateLimiter {
  /// Milliseconds between two looks at the bucket.
  static let interval: UInt64 = 50

  private let bytesPerSecond: Double
  private var tokens: Double
  private var filledAt: UInt64

  /// It begins with what comes in one interval. `now` in nanoseconds.
  init(kibibytes: UInt64, now: UInt64) {
    bytesPerSecond = Double(kibibytes) * 1024
    tokens = bytesPerSecond * Double(Self.interval) / 1000
    filledAt = now
  }

  /// How many of `wanted` bytes may go out; they are taken from the bucket.
  mutating func take(_ wanted: Int, now: UInt64) -> Int {
    let seconds = Double(now &- filledAt) / 1_000_000_000
    tokens = min(tokens + seconds * bytesPerSecond, bytesPerSecond)
    filledAt = now
    let count = min(wanted, Int(tokens))
    tokens -= Double(count)
    return count
  }
}
