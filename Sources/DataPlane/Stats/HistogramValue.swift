// A histogram as the control side reads it, summed over the workers.

public struct HistogramValue: Sendable, Hashable {
  /// `count` values in `lower ..< lower + width`; a width of 0 is that value itself.
  public struct Bin: Sendable, Hashable {
    public let lower: Double
    public let width: Double
    public var count: UInt64
    public init(lower: Double, width: Double, count: UInt64) {
      self.lower = lower
      self.width = width
      self.count = count
    }
  }
  public let scope: StatValue.Scope
  /// `downstream_rq_time`; may hold further dots.
  public let name: String
  /// All values since the start, in rising order; no empty bin.
  public let cumulative: [Bin]
  /// Those of the last whole interval.
  public let interval: [Bin]
  public init(scope: StatValue.Scope, name: String, cumulative: [Bin], interval: [Bin]) {
    self.scope = scope
    self.name = name
    self.cumulative = cumulative
    self.interval = interval
  }
}
