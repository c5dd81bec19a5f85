// How often each response code was answered, for a cluster and what it is divided by. The classes
// (`upstream_rq_2xx`) and the whole (`upstream_rq_completed`) are sums, made when somebody asks: a
// response costs one addition.

/// One worker's counts of one scope. A value; the memory belongs to the `StatRegistry`.
struct ResponseCodes: @unchecked Sendable {
  /// 1xx...5xx, and a page for what is none of these.
  private static let pages = 6
  let counts: PagedCounts

  init() {
    counts = PagedCounts(
      table: PagedCounts.tables(count: 1, pages: ResponseCodes.pages), pages: ResponseCodes.pages)
  }

  @inline(__always)
  func add(_ status: Int) {
    // 100...599 as a code, all others as "unknown".
    let offset = status &- 100
    if offset >= 0, offset < 500 {
      counts.add(page: offset / 100, offset % 100)
    } else {
      counts.add(page: 5, 0)
    }
  }
}

/// Sums of response codes as statistics, in order of their names behind `prefix`.
struct ResponseCodeSums {
  private var codes: [Int: UInt64] = [:]
  private var classes: [UInt64] = Array(repeating: 0, count: 6)
  private var total: UInt64 = 0

  mutating func add(_ worker: ResponseCodes) {
    worker.counts.forEach { page, index, count in
      codes[page * 100 + index, default: 0] &+= count
      classes[page] &+= count
      total &+= count
    }
  }

  /// As Envoy, which makes each of these when it is first needed: nothing that is zero.
  func values(scope: StatValue.Scope, prefix: String) -> [StatValue] {
    guard total != 0 else { return [] }
    func value(_ name: String, _ count: UInt64) -> StatValue {
      StatValue(scope: scope, name: "\(prefix)upstream_rq_\(name)", kind: .counter, value: count)
    }
    var result = [value("completed", total)]
    for (page, count) in classes.enumerated() where count != 0 && page < 5 {
      result.append(value("\(page + 1)xx", count))
    }
    for (code, count) in codes.sorted(by: { $0.key < $1.key }) {
      result.append(value(code < 500 ? "\(code + 100)" : "unknown", count))
    }
    return result
  }
}
