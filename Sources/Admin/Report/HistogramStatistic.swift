// One histogram, and what is computed from its bins: quantiles, counts below a bound, the sum. The
// formulas are those of the log-linear histogram that Envoy uses; given the same bins, the numbers
// are the same.

public struct HistogramStatistic: Sendable, Hashable {
  /// `count` values in `lower ..< lower + width`; a width of 0 is that value itself.
  public struct Bin: Sendable, Hashable {
    public let lower: Double
    public let width: Double
    public let count: UInt64
    public init(lower: Double, width: Double, count: UInt64) {
      self.lower = lower
      self.width = width
      self.count = count
    }
  }

  /// Bins in rising order, none of them empty.
  public struct Distribution: Sendable, Hashable {
    public let bins: [Bin]
    public init(_ bins: [Bin]) { self.bins = bins }
  }

  public let id: StatisticName
  /// All values since the start.
  public let cumulative: Distribution
  /// Those of the last whole interval (`stats_flush_interval`).
  public let interval: Distribution
  /// Upper bounds of the buckets that it is shown in, rising.
  public let bounds: [Double]

  /// In milliseconds, from half of one to an hour.
  public static let defaultBounds: [Double] = [
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300_000, 600_000,
    1_800_000, 3_600_000,
  ]
  /// What is shown of a histogram, rising.
  public static let quantiles: [Double] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1]
  /// The same in hundredths.
  static let percents: [Double] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]

  public init(
    _ id: StatisticName, cumulative: Distribution, interval: Distribution, bounds: [Double]
  ) {
    self.id = id
    self.cumulative = cumulative
    self.interval = interval
    self.bounds = bounds
  }
}

extension HistogramStatistic.Distribution {
  public var isEmpty: Bool { bins.isEmpty }

  public var count: UInt64 { bins.reduce(0) { $0 &+ $1.count } }

  /// Each value counts as the harmonic mean of its bin's ends, which errs least in proportion.
  public var sum: Double {
    bins.reduce(0) { sum, bin in
      guard bin.lower > 0 else { return sum }
      let upper = bin.lower + bin.width
      return sum + Double(bin.count) * 2 * bin.lower * upper / (bin.lower + upper)
    }
  }

  /// Values of `quantiles` (0...1, rising); NaN of nothing. The values of a bin are taken to
  /// stand evenly in it.
  public func values(at quantiles: [Double]) -> [Double] {
    let total = Double(count)
    guard total > 0 else { return quantiles.map { _ in .nan } }
    var index = 0
    var below: Double = 0
    return quantiles.map { quantile in
      // The rank of the value, from 1.
      let rank = max(1, (quantile * total).rounded(.up))
      while index < bins.count - 1, below + Double(bins[index].count) < rank {
        below += Double(bins[index].count)
        index += 1
      }
      let bin = bins[index]
      return bin.lower + bin.width * (rank - below) / (Double(bin.count) + 1)
    }
  }

  /// How many values each bound is not exceeded by, as far as the bins tell: a bin that begins at
  /// or below a bound counts whole.
  public func counts(upTo bounds: [Double]) -> [UInt64] {
    var index = 0
    var below: UInt64 = 0
    return bounds.map { bound in
      while index < bins.count, bins[index].lower <= bound {
        below &+= bins[index].count
        index += 1
      }
      return below
    }
  }

  /// How many values fall between each bound and the one before it.
  public func counts(between bounds: [Double]) -> [UInt64] {
    let cumulative = counts(upTo: bounds)
    return cumulative.indices.map { $0 == 0 ? cumulative[0] : cumulative[$0] &- cumulative[$0 - 1] }
  }
}
