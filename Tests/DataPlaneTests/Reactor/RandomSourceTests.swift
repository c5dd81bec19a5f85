// Random numbers are spread evenly over a bound.
import Testing

@testable import DataPlane

@Suite struct RandomSourceTests {
  /// Chi-squared over the values below `bound`. Far over the 99.99 % quantile for these degrees of
  /// freedom, so that a right source fails about once in 100,000 runs.
  @Test(arguments: [2, 3, 7, 10, 100, 1000] as [UInt64])
  func evenBelowABound(_ bound: UInt64) {
    var source = RandomSource()
    var counts = [Int](repeating: 0, count: Int(bound))
    let draws = 200_000
    for _ in 0..<draws {
      let draw = source.next(below: bound)
      guard draw < bound else {
        Issue.record("\(draw) of \(bound)")
        return
      }
      counts[Int(draw)] += 1
    }
    let expected = Double(draws) / Double(bound)
    let statistic = counts.reduce(0.0) { sum, count in
      let difference = Double(count) - expected
      return sum + difference * difference / expected
    }
    let freedom = Double(bound - 1)
    #expect(statistic < freedom + 6 * (2 * freedom).squareRoot() + 12, "\(statistic)")
  }

  @Test func staysBelowAnyBound() {
    var source = RandomSource()
    for bound in [1, 2, 65_536, (1 << 32) - 1] as [UInt64] {
      #expect((0..<1000).allSatisfy { _ in source.next(below: bound) < bound })
    }
    #expect(source.next(below: 1) == 0)
  }

  @Test func sourcesDiffer() {
    var first = RandomSource()
    var second = RandomSource()
    #expect((0..<4).map { _ in first.next() } != (0..<4).map { _ in second.next() })
  }
}
