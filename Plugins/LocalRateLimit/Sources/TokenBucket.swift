// A token bucket that all workers share: one number, taken from by compare and exchange, without a lock.
// Who finds too little in it has changed nothing.
import Synchronization

final class TokenBucket: Sendable {
  let rate: FillRate
  /// A request that this bucket stops goes on all the same, and is counted.
  let isShadow: Bool
  /// The time, in the rate's ticks, at which it was empty; at most `rate.capacity` before now. Times are
  /// moved on by the capacity, so that a full bucket is possible at any time.
  private let emptyAt: Atomic<UInt64>

  /// Full. `now`: nanoseconds of the host's clock.
  init(_ rate: FillRate, isShadow: Bool = false, now: UInt64) {
    self.rate = rate
    self.isShadow = isShadow
    // A little before: a worker's clock may be behind, and full is full.
    emptyAt = Atomic(rate.ticks(at: now - min(now, 1_000_000_000)))
  }

  /// What it holds, in ticks.
  private func level(_ empty: UInt64, _ now: UInt64) -> UInt64 {
    let end = rate.ticks(at: now) &+ rate.capacity
    return end > empty ? min(end &- empty, rate.capacity) : 0
  }

  /// Takes `tokens`, all of them or none. Any thread.
  func take(_ tokens: UInt64 = 1, now: UInt64) -> Bool {
    if tokens == 0 { return true }
    guard let cost = rate.cost(of: tokens) else { return false }
    let end = rate.ticks(at: now) &+ rate.capacity
    var empty = emptyAt.load(ordering: .relaxed)
    while true {
      let held = end > empty ? min(end &- empty, rate.capacity) : 0
      guard held >= cost else { return false }
      let (exchanged, original) = emptyAt.weakCompareExchange(
        expected: empty, desired: end &- held &+ cost, ordering: .relaxed)
      if exchanged { return true }
      empty = original
    }
  }

  /// Puts `tokens` back, as many as there is room for. Any thread.
  func giveBack(_ tokens: UInt64, now: UInt64) {
    let given = rate.cost(of: min(tokens, rate.maxTokens)) ?? 0
    let end = rate.ticks(at: now) &+ rate.capacity
    var empty = emptyAt.load(ordering: .relaxed)
    while true {
      let held = end > empty ? min(end &- empty, rate.capacity) : 0
      let more = min(held &+ given, rate.capacity)
      let (exchanged, original) = emptyAt.weakCompareExchange(
        expected: empty, desired: end &- more, ordering: .relaxed)
      if exchanged { return }
      empty = original
    }
  }

  /// Whole tokens that it holds.
  func remaining(now: UInt64) -> UInt64 {
    level(emptyAt.load(ordering: .relaxed), now) / rate.cost
  }

  /// Seconds, rounded up, until it holds a token; 0: it does.
  func secondsToNext(now: UInt64) -> UInt64 {
    let held = level(emptyAt.load(ordering: .relaxed), now)
    guard held < rate.cost else { return 0 }
    let (seconds, rest) = rate.nanoseconds(in: rate.cost - held).quotientAndRemainder(
      dividingBy: 1_000_000_000)
    return seconds + (rest == 0 ? 0 : 1)
  }
}
