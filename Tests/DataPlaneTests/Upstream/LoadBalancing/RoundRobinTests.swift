// Weighted round robin: every endpoint's share over each sum of weights is exact.
import Testing

@testable import DataPlane

@Suite struct RoundRobinTests {
  private func shares(_ balancer: inout RoundRobin, _ count: Int, picks: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: count)
    for _ in 0..<picks {
      if let index = balancer.next() { counts[index] += 1 }
    }
    return counts
  }

  @Test func nobody() {
    var balancer = RoundRobin(weights: [], seed: 5)
    #expect(balancer.next() == nil)
  }

  @Test func equalWeightsTakeTurns() {
    for seed in 0..<5 as Range<UInt64> {
      var balancer = RoundRobin(weights: [7, 7, 7], seed: seed)
      let picks = (0..<9).compactMap { _ in balancer.next() }
      #expect(picks.sorted() == [0, 0, 0, 1, 1, 1, 2, 2, 2])
      #expect(Array(picks[0..<3]) == Array(picks[3..<6]))
    }
    var single = RoundRobin(weights: [3], seed: .max)
    #expect((0..<3).compactMap { _ in single.next() } == [0, 0, 0])
  }

  @Test(
    arguments: [
      [1, 2], [90, 10], [1, 1, 2], [3, 7, 11], [1, 128], [5, 5, 10, 20], [1, 99], [1, 2, 3, 4, 5, 6, 7],
      [128, 64, 32, 16, 8, 4, 2, 1], [999, 1], [13, 17, 19, 23],
    ] as [[UInt32]])
  func exactOverEachSumOfWeights(_ weights: [UInt32]) {
    var balancer = RoundRobin(weights: weights, seed: 0)
    let sum = Int(weights.reduce(0, +))
    for round in 0..<50 {
      #expect(shares(&balancer, weights.count, picks: sum) == weights.map(Int.init), "round \(round)")
    }
  }

  @Test func exactForManyWeights() {
    var random = SeededRandom(6)
    for _ in 0..<500 {
      let weights = (0..<Int.random(in: 2...20, using: &random)).map { _ in
        UInt32.random(in: 1...128, using: &random)
      }
      var balancer = RoundRobin(weights: weights, seed: random.next())
      let sum = Int(weights.reduce(0, +))
      for _ in 0..<3 where Set(weights).count > 1 {
        #expect(shares(&balancer, weights.count, picks: sum) == weights.map(Int.init), "\(weights)")
      }
    }
  }

  @Test func interleaves() {
    var balancer = RoundRobin(weights: [2, 1, 1], seed: 0)
    var longest = 0
    var run = 0
    for _ in 0..<400 {
      run = balancer.next() == 0 ? run + 1 : 0
      longest = Swift.max(longest, run)
    }
    #expect(longest <= 2)
  }

  @Test func doesNotDriftInTheLongRun() {
    // A step is 1 / weight in whole units of 2^-32: what the division leaves over must not add up.
    let weights: [UInt32] = [1, 7, 997]
    var balancer = RoundRobin(weights: weights, seed: 0)
    let sum = Int(weights.reduce(0, +))
    let rounds = 10_000
    let counts = shares(&balancer, weights.count, picks: sum * rounds)
    let off = zip(counts, weights).map { abs($0 - Int($1) * rounds) }.max() ?? 0
    do {
      #expect(off <= 1, "\(counts)")
    }
  }
}
