// Which of a route's weighted clusters takes a request.
//
// The number that chooses is drawn, or comes from a header or from the hash policies; modulo the sum
// of the weights it falls into one cluster's share. Weights that runtime values may change are read
// each time and summed up; fixed ones were summed up before.
import Model

final class WeightedChoice {
  struct Entry {
    let target: ClusterTarget
    let weight: UInt64
    /// The sum of the weights to here.
    let upTo: UInt64
    let slot: RuntimeSlot
    /// Empty: the route's.
    let host: [UInt8]
    /// Nil: the route's. Otherwise the entry's and, behind them, the route's.
    let rules: RouteHeaderRules?
    /// What the entry and what it belongs to say about filters of the chain (nil: what the route says).
    fileprivate(set) var filters: RouteFilterTable?
  }
  private enum Draw { case random, header(HeaderID), hash }
  private(set) var entries: [Entry]
  /// An entry speaks of filters: it must be chosen before they are made.
  private(set) var hasFilters = false
  private let draw: Draw
  private let weightsChange: Bool

  init(
    _ model: ClusterWeights, rules: HeaderRuleLevels = HeaderRuleLevels(), context: WorkerContext,
    find: (String) -> ClusterRuntime?
  ) {
    var sum: UInt64 = 0
    let prefix = model.runtimeKeyPrefix
    entries = model.entries.map { entry in
      sum += UInt64(entry.weight)
      var key = ""
      if !prefix.isEmpty, case .name(let name) = entry.cluster { key = "\(prefix).\(name)" }
      return Entry(
        target: ClusterTarget(entry.cluster, names: context.names, find: find),
        weight: UInt64(entry.weight), upTo: sum, slot: context.runtime.slot(key),
        host: Array((entry.hostRewrite ?? "").utf8),
        rules: rules.compile(with: entry.headerRules, names: context.names))
    }
    weightsChange = !prefix.isEmpty
    switch model.draw {
    case .random: draw = .random
    case .header(let name): draw = .header(context.names.intern(Array(name.utf8)) ?? .unknown)
    case .hash: draw = .hash
    }
  }

  /// `outer`: of the route, the virtual host and the route table.
  func compileFilters(_ model: ClusterWeights, outer: [RouteFilters], chain: [String]) {
    for (index, own) in model.entries.enumerated() where !own.filters.isEmpty {
      entries[index].filters = RouteFilterTable(chain: chain, levels: [own.filters] + outer)
      hasFilters = true
    }
  }

  /// The entry for one request. `hash` is asked where the draw is by hash.
  func choose(_ request: MessageHead, _ context: WorkerContext, hash: () -> UInt64?) -> Entry {
    var number: UInt64?
    switch draw {
    case .random: break
    case .header(let id): number = WeightedChoice.number(in: request.headers, id)
    case .hash: number = hash()
    }
    if weightsChange { return chooseChanging(number, context) }
    let total = entries[entries.count - 1].upTo
    let drawn = number.map { $0 % total } ?? context.random.next(below: total)
    var low = 0
    var high = entries.count - 1
    while low < high {
      let middle = (low + high) / 2
      if drawn < entries[middle].upTo { high = middle } else { low = middle + 1 }
    }
    return entries[low]
  }

  private func chooseChanging(_ number: UInt64?, _ context: WorkerContext) -> Entry {
    var total: UInt64 = 0
    for entry in entries { total &+= weight(of: entry, context) }
    // Nobody wants it by the runtime values: those of the file count.
    let fixed = total == 0
    if fixed { total = entries[entries.count - 1].upTo }
    var left = number.map { $0 % total } ?? context.random.next(below: total)
    for entry in entries {
      let weight = fixed ? entry.weight : weight(of: entry, context)
      if left < weight { return entry }
      left -= weight
    }
    return entries[entries.count - 1]
  }

  /// No more than 32 bits, so that the sum cannot run over.
  private func weight(of entry: Entry, _ context: WorkerContext) -> UInt64 {
    Swift.min(context.runtime.number(entry.slot, entry.weight), UInt64(UInt32.max))
  }

  /// Of a field that the request has once.
  private static func number(in headers: HeaderMap, _ id: HeaderID) -> UInt64? {
    var found: ByteView?
    for index in 0..<headers.count where headers.entries[index].id == id {
      if found != nil { return nil }
      found = headers.entries[index].valueView
    }
    return found?.unsigned
  }
}

extension ByteView {
  /// A decimal number of 64 bits without sign.
  var unsigned: UInt64? {
    guard count > 0, count <= 20 else { return nil }
    var value: UInt64 = 0
    for index in 0..<count {
      let digit = base[index] &- 0x30
      if digit > 9 { return nil }
      let (tenfold, over) = value.multipliedReportingOverflow(by: 10)
      let (next, past) = tenfold.addingReportingOverflow(UInt64(digit))
      if over || past { return nil }
      value = next
    }
    return value
  }
}
