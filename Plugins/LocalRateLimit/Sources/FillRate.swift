// How a token bucket fills, in whole numbers: no rounding ever lets more through than is configured.
//
// A bucket is kept as one number, the time at which it was (or would have been) empty. What it holds
// follows from how long ago that is, so that nothing has to be done while it fills, and taking a token is
// one addition. Time is counted in ticks, whose length is chosen for each rate so that a token is a whole
// number of them: at 3 tokens a second there are 3 ticks in a nanosecond, and a token is 1,000,000,000.
// Where no such length fits, a token is rounded up to whole ticks (a bucket of 17 tokens a second fills
// slower by one part in two thousand millions), and a full bucket still holds all its tokens.

/// The size and the rate of a bucket.
struct FillRate: Hashable, Sendable {
  let maxTokens: UInt64
  let tokensPerFill: UInt64
  /// Milliseconds.
  let interval: UInt64
  /// Tokens a second.
  let perSecond: Double
  /// Of one token, in ticks, 1 or more.
  let cost: UInt64
  /// Of all tokens, at most 2^62.
  let capacity: UInt64
  /// Ticks in a nanosecond.
  private let ticks: UInt64
  /// Where it is not 0, a tick is 2^`shift` nanoseconds.
  private let shift: UInt64

  /// So that the time since the machine has started, in ticks, stays below 2^63 for eighteen years.
  private static let mostTicks: UInt64 = 16
  private static let mostCapacity: UInt64 = 1 << 62

  /// `tokensPerFill` and `interval` are 1 or more, `maxTokens` below 2^32.
  init(maxTokens: UInt64, tokensPerFill: UInt64, interval: UInt64) {
    self.maxTokens = maxTokens
    self.tokensPerFill = tokensPerFill
    self.interval = interval
    perSecond = Double(tokensPerFill) * 1000 / Double(interval)
    let (product, over) = interval.multipliedReportingOverflow(by: 1_000_000)
    // Of more than 292 years: as good as never.
    let fill = over ? UInt64(Int64.max) : min(product, UInt64(Int64.max))
    let exact = tokensPerFill / Self.divisor(tokensPerFill, fill)
    var ticks = exact <= Self.mostTicks ? exact : Self.mostTicks
    var shift: UInt64 = 0
    while true {
      let cost = Self.cost(fill, tokensPerFill, ticks, shift)
      let (capacity, over) = cost.multipliedReportingOverflow(by: maxTokens)
      if !over, capacity <= Self.mostCapacity {
        (self.cost, self.capacity, self.ticks, self.shift) = (cost, capacity, ticks, shift)
        return
      }
      if ticks > 1 { ticks /= 2 } else { shift += 1 }
    }
  }

  /// One token in ticks, rounded up.
  private static func cost(_ fill: UInt64, _ perFill: UInt64, _ ticks: UInt64, _ shift: UInt64) -> UInt64 {
    let product = fill.multipliedFullWidth(by: ticks)
    let divisor = perFill << shift
    let (quotient, rest) = divisor.dividingFullWidth((product.high, product.low))
    return max(1, rest == 0 ? quotient : quotient + 1)
  }

  /// What so many tokens cost; nil: more than the bucket can ever hold.
  @inline(__always)
  func cost(of tokens: UInt64) -> UInt64? { tokens > maxTokens ? nil : tokens &* cost }

  /// A time in ticks, rounded down.
  @inline(__always)
  func ticks(at nanoseconds: UInt64) -> UInt64 {
    shift == 0 ? nanoseconds &* ticks : nanoseconds >> shift
  }

  /// Nanoseconds in which so many ticks have passed.
  func nanoseconds(in count: UInt64) -> UInt64 {
    shift == 0 ? count / ticks + (count % ticks == 0 ? 0 : 1) : count << shift
  }

  private static func divisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
  }
}
