// Histograms. A value goes into a bin of two significant digits (0, 1...99, 100...109, 110...119,
// ...), as in the log-linear histogram that Envoy uses, so that what is computed from the bins
// agrees with Envoy's. Recording is an index and an addition.
//
// Values are whole numbers: milliseconds, or counts. Beyond 10^12 (31 years of milliseconds) all
// fall into the last bin.

/// The histograms of one kind of scope.
protocol HistogramSchema: RawRepresentable, CaseIterable
where RawValue == Int, AllCases: RandomAccessCollection {
  /// The name behind the scope's prefix, as Envoy has it.
  var name: String { get }
  /// Not shown before its first value, as those that Envoy makes when they are first needed.
  var isHiddenUnused: Bool { get }
}

enum HistogramBins {
  /// 0...99, then a page for each further power of ten up to 10^12.
  static let pages = 11

  @inline(__always)
  static func place(of value: UInt64) -> (page: Int, index: Int) {
    value < 100 ? (0, Int(value)) : place(ofLarge: value)
  }

  private static func place(ofLarge value: UInt64) -> (page: Int, index: Int) {
    var digits = value / 10
    var page = 1
    while digits >= 100, page < pages {
      digits /= 10
      page += 1
    }
    // 10...99 at 0...89.
    return page < pages ? (page, Int(digits) - 10) : (pages - 1, 89)
  }

  /// A bin holds `lower ..< lower + width`. Whole numbers below 10 are bins of a tenth, and zero
  /// has no width: so it is with two digits.
  static func bin(page: Int, index: Int, count: UInt64) -> HistogramValue.Bin {
    if page == 0 {
      let width = index == 0 ? 0 : index < 10 ? 0.1 : 1
      return .init(lower: Double(index), width: width, count: count)
    }
    var width: Double = 1
    for _ in 0..<page { width *= 10 }
    return .init(lower: Double(index + 10) * width, width: width, count: count)
  }
}

/// One worker's histograms of one scope. A value; the memory belongs to the `StatRegistry`.
struct Histograms<Schema: HistogramSchema>: @unchecked Sendable {
  private let tables: HistogramTables

  init(_ tables: HistogramTables) { self.tables = tables }

  @inline(__always)
  func record(_ histogram: Schema, _ value: UInt64) {
    let place = HistogramBins.place(of: value)
    tables[histogram.rawValue].add(page: place.page, place.index)
  }

  /// A time between two readings of the reactor's clock, in milliseconds.
  @inline(__always)
  func record(_ histogram: Schema, from start: UInt64, to end: UInt64) {
    record(histogram, end > start ? (end &- start) / 1_000_000 : 0)
  }
}

/// The memory behind `Histograms`.
struct HistogramTables: @unchecked Sendable {
  private let words = PagedCounts.tableWords(pages: HistogramBins.pages)
  private let first: PagedCounts.Table

  init(count: Int) { first = PagedCounts.tables(count: count, pages: HistogramBins.pages) }

  @inline(__always)
  subscript(_ index: Int) -> PagedCounts {
    PagedCounts(table: first + index * words, pages: HistogramBins.pages)
  }
}
