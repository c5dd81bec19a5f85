// Metrics: defined with the configuration, counted on the workers.
public import CMartletABI

/// A number that only grows. Made by `ConfigurationScope.counter`.
@frozen
public struct Counter: Sendable {
  @usableFromInline let id: UInt32
  @inlinable init(id: UInt32) { self.id = id }
}

/// A number that goes up and down. Made by `ConfigurationScope.gauge`.
@frozen
public struct Gauge: Sendable {
  @usableFromInline let id: UInt32
  @inlinable init(id: UInt32) { self.id = id }
}

/// A distribution of whole numbers. Made by `ConfigurationScope.histogram`.
@frozen
public struct Histogram: Sendable {
  @usableFromInline let id: UInt32
  @inlinable init(id: UInt32) { self.id = id }
}

/// Counters of one name with labels; `series` gives the one for given values.
@frozen
public struct CounterFamily: Sendable {
  @usableFromInline let id: UInt32
  /// How many labels it has.
  public let labelCount: Int
  @inlinable
  init(id: UInt32, labelCount: Int) {
    self.id = id
    self.labelCount = labelCount
  }
}

/// Gauges of one name with labels; `series` gives the one for given values.
@frozen
public struct GaugeFamily: Sendable {
  @usableFromInline let id: UInt32
  /// How many labels it has.
  public let labelCount: Int
  @inlinable
  init(id: UInt32, labelCount: Int) {
    self.id = id
    self.labelCount = labelCount
  }
}

/// A scope on a worker: it can count, match expressions and read runtime values.
public protocol WorkerBoundScope: HostScope, ~Copyable, ~Escapable {}

extension WorkerBoundScope where Self: ~Copyable & ~Escapable {
  /// Adds to a counter.
  @inlinable
  public func add(_ amount: UInt64 = 1, to counter: Counter) {
    _ = _services.pointee.metrics.add(_handle, counter.id, amount)
  }

  /// Adds to a gauge.
  @inlinable
  public func add(_ amount: UInt64 = 1, to gauge: Gauge) {
    _ = _services.pointee.metrics.add(_handle, gauge.id, amount)
  }

  /// Takes from a gauge.
  @inlinable
  public func subtract(_ amount: UInt64 = 1, from gauge: Gauge) {
    _ = _services.pointee.metrics.subtract(_handle, gauge.id, amount)
  }

  /// A value for a histogram: milliseconds where it is a time.
  @inlinable
  public func record(_ value: UInt64, in histogram: Histogram) {
    _ = _services.pointee.metrics.record(_handle, histogram.id, value)
  }

  /// The family's counter for this value of its one label, on this worker, for as long as the
  /// worker's scope stands. At most 1,000 values a family; those beyond share one.
  @inlinable
  public func series(
    of family: CounterFamily, _ label: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> Counter? {
    label.withHostBytes { series(family.id, [$0]) }.map { Counter(id: $0) }
  }

  /// The same for several labels, in the order of their definition.
  @inlinable
  public func series(of family: CounterFamily, _ labels: [String]) -> Counter? {
    series(family.id, labels).map { Counter(id: $0) }
  }

  /// The family's gauge for these values of its labels.
  @inlinable
  public func series(of family: GaugeFamily, _ labels: [String]) -> Gauge? {
    series(family.id, labels).map { Gauge(id: $0) }
  }

  @usableFromInline
  func series(_ family: UInt32, _ labels: [String]) -> UInt32? {
    withBorrowedBytes(labels) { series(family, $0) }
  }

  @usableFromInline
  func series(_ family: UInt32, _ values: [martlet_bytes]) -> UInt32? {
    var id: UInt32 = 0
    let status = values.withUnsafeBufferPointer {
      _services.pointee.metrics.series(_handle, family, $0.baseAddress, $0.count, &id)
    }
    return status == MARTLET_OK ? id : nil
  }
}

/// The texts as an array of the host's bytes, valid inside `body`.
func withBorrowedBytes<Result>(_ texts: [String], _ body: ([martlet_bytes]) -> Result) -> Result {
  withBorrowedBytes(texts.map { Array($0.utf8) }, body)
}

/// The same with bytes.
func withBorrowedBytes<Result>(_ texts: [[UInt8]], _ body: ([martlet_bytes]) -> Result) -> Result {
  let all = texts.flatMap { $0 }
  return all.withUnsafeBufferPointer { all in
    var start = 0
    return body(
      texts.map { text in
        let size = text.count
        defer { start += size }
        return martlet_bytes(data: all.baseAddress.map { $0 + start }, size: size)
      })
  }
}
