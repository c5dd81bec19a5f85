// Which statistics exist. Workers register a block for each scope when a configuration is applied
// (rare, under a lock); the control side reads them all. A scope that comes back under the same
// name goes on with its old counts, as Envoy's do.
import Model
import Synchronization

final class StatRegistry: Sendable {
  private struct Key: Hashable {
    let scope: StatValue.Scope
    let schema: ObjectIdentifier
    let worker: Int
  }
  private struct Entry {
    let scope: StatValue.Scope
    let schema: ObjectIdentifier
    let names: [(String, StatValue.Kind)]
    var blocks: [StatBlock]
  }
  private struct CodeEntry {
    let scope: StatValue.Scope
    let prefix: String
    var workers: [ResponseCodes]
  }
  private struct HistogramEntry {
    let scope: StatValue.Scope
    let name: String
    let isHiddenUnused: Bool
    var workers: [PagedCounts]
    /// As they stood when the last interval ended, by place.
    var flushed: [Int: UInt64] = [:]
    var interval: [Int: UInt64] = [:]
  }
  private struct State {
    var blocks: [Key: StatBlock] = [:]
    /// How many have asked for a block.
    var uses: [Key: Int] = [:]
    var entries: [Entry] = []
    var entryOf: [Key: Int] = [:]
    var codes: [Key: ResponseCodes] = [:]
    var codeEntries: [CodeEntry] = []
    var codeEntryOf: [Key: Int] = [:]
    var histograms: [Key: HistogramTables] = [:]
    var histogramEntries: [HistogramEntry] = []
    /// The entry of a scope's first histogram; the others of its schema follow.
    var histogramEntryOf: [Key: Int] = [:]
    var words: [NameKey: StatBlock] = [:]
    var wordEntryOf: [NameKey: Int] = [:]
    var namedHistograms: [NameKey: HistogramTables] = [:]
    var namedHistogramEntryOf: [NameKey: Int] = [:]
  }
  /// A statistic that no schema has: a plugin's.
  private struct NameKey: Hashable {
    let scope: StatValue.Scope
    let name: String
    let worker: Int
  }
  private let state = Locked(State())

  /// The worker's counters for a scope, made at first asking.
  func counters<Schema: StatSchema>(
    _ schema: Schema.Type, scope: StatValue.Scope, worker: Int
  ) -> Counters<Schema> {
    let scope = scope.sanitized
    return state.withLock { state in
      let key = Key(scope: scope, schema: ObjectIdentifier(schema), worker: worker)
      state.uses[key, default: 0] += 1
      if let block = state.blocks[key] { return Counters(block) }
      let block = StatBlock(count: Schema.allCases.count)
      state.blocks[key] = block
      let entryKey = Key(scope: scope, schema: ObjectIdentifier(schema), worker: -1)
      if let index = state.entryOf[entryKey] {
        state.entries[index].blocks.append(block)
      } else {
        state.entryOf[entryKey] = state.entries.count
        state.entries.append(
          Entry(
            scope: scope, schema: ObjectIdentifier(schema), names: Schema.allCases.map { ($0.name, $0.kind) },
            blocks: [block]))
      }
      return Counters(block)
    }
  }

  /// Gives up what `counters` gave, for scopes that come and go (endpoints): when all who asked have,
  /// the counts are forgotten and their memory is free.
  func release<Schema: StatSchema>(
    _ schema: Schema.Type, scope: StatValue.Scope, worker: Int
  ) {
    let scope = scope.sanitized
    state.withLock { state in
      let key = Key(scope: scope, schema: ObjectIdentifier(schema), worker: worker)
      guard let uses = state.uses[key], let block = state.blocks[key] else { return }
      if uses > 1 {
        state.uses[key] = uses - 1
        return
      }
      state.uses[key] = nil
      state.blocks[key] = nil
      let entryKey = Key(scope: scope, schema: ObjectIdentifier(schema), worker: -1)
      if let index = state.entryOf[entryKey] {
        state.entries[index].blocks.removeAll { $0.words == block.words }
        if state.entries[index].blocks.isEmpty { Self.removeEntry(index, entryKey, &state) }
      }
      block.free()
    }
  }

  /// The last entry takes its place.
  private static func removeEntry(_ index: Int, _ key: Key, _ state: inout State) {
    state.entryOf[key] = nil
    let last = state.entries.count - 1
    if index != last {
      state.entries[index] = state.entries[last]
      let entry = state.entries[index]
      if entry.schema == ObjectIdentifier(StatRegistry.self) {
        state.wordEntryOf[NameKey(scope: entry.scope, name: entry.names[0].0, worker: -1)] = index
      } else {
        state.entryOf[Key(scope: entry.scope, schema: entry.schema, worker: -1)] = index
      }
    }
    state.entries.removeLast()
  }

  /// The worker's response codes for a scope and what they are divided by: all, internal, external
  /// and canary, in the order of `ResponseCodeGroup`.
  func responseCodes(_ group: ResponseCodeGroup, scope: StatValue.Scope, worker: Int)
    -> ResponseCodes
  {
    let scope = scope.sanitized
    let schema = ObjectIdentifier(ResponseCodeGroup.self)
    // One map for all groups: the group stands where a worker's number does, far away from them.
    return state.withLock { state in
      let key = Key(scope: scope, schema: schema, worker: worker << 3 | group.rawValue)
      if let codes = state.codes[key] { return codes }
      let codes = ResponseCodes()
      state.codes[key] = codes
      let entryKey = Key(scope: scope, schema: schema, worker: -1 - group.rawValue)
      if let index = state.codeEntryOf[entryKey] {
        state.codeEntries[index].workers.append(codes)
      } else {
        state.codeEntryOf[entryKey] = state.codeEntries.count
        state.codeEntries.append(CodeEntry(scope: scope, prefix: group.prefix, workers: [codes]))
      }
      return codes
    }
  }

  /// The worker's histograms for a scope, made at first asking.
  func histograms<Schema: HistogramSchema>(
    _ schema: Schema.Type, scope: StatValue.Scope, worker: Int
  ) -> Histograms<Schema> {
    let scope = scope.sanitized
    return state.withLock { state in
      let key = Key(scope: scope, schema: ObjectIdentifier(schema), worker: worker)
      if let tables = state.histograms[key] { return Histograms(tables) }
      let tables = HistogramTables(count: Schema.allCases.count)
      state.histograms[key] = tables
      let entryKey = Key(scope: scope, schema: ObjectIdentifier(schema), worker: -1)
      if let first = state.histogramEntryOf[entryKey] {
        for histogram in Schema.allCases {
          state.histogramEntries[first + histogram.rawValue].workers
            .append(tables[histogram.rawValue])
        }
      } else {
        state.histogramEntryOf[entryKey] = state.histogramEntries.count
        for histogram in Schema.allCases {
          state.histogramEntries.append(
            HistogramEntry(
              scope: scope, name: histogram.name, isHiddenUnused: histogram.isHiddenUnused,
              workers: [tables[histogram.rawValue]]))
        }
      }
      return Histograms(tables)
    }
  }

  /// The worker's word for a counter or gauge by name, made at first asking.
  func word(
    _ name: String, kind: StatValue.Kind, scope: StatValue.Scope, worker: Int
  ) -> UnsafeMutablePointer<Atomic<UInt64>> {
    let scope = scope.sanitized
    return state.withLock { state in
      let key = NameKey(scope: scope, name: name, worker: worker)
      if let block = state.words[key] { return block.words }
      let block = StatBlock(count: 1)
      state.words[key] = block
      let entryKey = NameKey(scope: scope, name: name, worker: -1)
      if let index = state.wordEntryOf[entryKey] {
        state.entries[index].blocks.append(block)
      } else {
        state.wordEntryOf[entryKey] = state.entries.count
        state.entries.append(
          Entry(
            scope: scope, schema: ObjectIdentifier(StatRegistry.self), names: [(name, kind)], blocks: [block])
        )
      }
      return block.words
    }
  }

  /// The worker's histogram by name, made at first asking.
  func histogram(_ name: String, scope: StatValue.Scope, worker: Int) -> PagedCounts {
    let scope = scope.sanitized
    return state.withLock { state in
      let key = NameKey(scope: scope, name: name, worker: worker)
      if let tables = state.namedHistograms[key] { return tables[0] }
      let tables = HistogramTables(count: 1)
      state.namedHistograms[key] = tables
      let entryKey = NameKey(scope: scope, name: name, worker: -1)
      if let index = state.namedHistogramEntryOf[entryKey] {
        state.histogramEntries[index].workers.append(tables[0])
      } else {
        state.namedHistogramEntryOf[entryKey] = state.histogramEntries.count
        state.histogramEntries.append(
          HistogramEntry(scope: scope, name: name, isHiddenUnused: true, workers: [tables[0]]))
      }
      return tables[0]
    }
  }

  /// Every counter and gauge, summed over the workers, in order of registration.
  func snapshot() -> [StatValue] {
    state.withLock { state in
      var values: [StatValue] = []
      for entry in state.entries {
        for (index, (name, kind)) in entry.names.enumerated() {
          let sum = entry.blocks.reduce(UInt64(0)) { $0 &+ $1.words[index].load(ordering: .relaxed) }
          values.append(StatValue(scope: entry.scope, name: name, kind: kind, value: sum))
        }
      }
      for entry in state.codeEntries {
        var sums = ResponseCodeSums()
        for worker in entry.workers { sums.add(worker) }
        values += sums.values(scope: entry.scope, prefix: entry.prefix)
      }
      return values
    }
  }

  /// Every histogram, summed over the workers, in order of registration.
  func histogramSnapshot() -> [HistogramValue] {
    state.withLock { state in
      state.histogramEntries.compactMap { entry in
        let cumulative = Self.sum(entry.workers)
        if cumulative.isEmpty, entry.isHiddenUnused { return nil }
        return HistogramValue(
          scope: entry.scope, name: entry.name, cumulative: Self.bins(cumulative),
          interval: Self.bins(entry.interval))
      }
    }
  }

  /// Ends an interval: what was recorded since the last call is the interval that is shown.
  func flush() {
    state.withLock { state in
      for index in state.histogramEntries.indices {
        // All marks are taken, so that none is left for the next interval.
        var isMarked = false
        for worker in state.histogramEntries[index].workers where worker.takeMark() { isMarked = true }
        guard isMarked else {
          if !state.histogramEntries[index].interval.isEmpty {
            state.histogramEntries[index].interval = [:]
          }
          continue
        }
        let now = Self.sum(state.histogramEntries[index].workers)
        let before = state.histogramEntries[index].flushed
        state.histogramEntries[index].interval = now.reduce(into: [:]) { interval, bin in
          let added = bin.value &- (before[bin.key] ?? 0)
          if added != 0 { interval[bin.key] = added }
        }
        state.histogramEntries[index].flushed = now
      }
    }
  }

  /// By place: page and index in one number.
  private static func sum(_ workers: [PagedCounts]) -> [Int: UInt64] {
    var sums: [Int: UInt64] = [:]
    for worker in workers {
      worker.forEach { page, index, count in
        sums[page * PagedCounts.pageWords + index, default: 0] &+= count
      }
    }
    return sums
  }

  private static func bins(_ sums: [Int: UInt64]) -> [HistogramValue.Bin] {
    sums.sorted { $0.key < $1.key }.map { place, count in
      HistogramBins.bin(
        page: place / PagedCounts.pageWords, index: place % PagedCounts.pageWords, count: count)
    }
  }
}

extension StatValue.Scope {
  /// Colons are underscores in names of statistics, as in Envoy: `listener.127.0.0.1_80.`.
  var sanitized: StatValue.Scope {
    switch self {
    case .server: return self
    case .listener(let name): return .listener(name.replacingColons)
    case .http(let name): return .http(name.replacingColons)
    case .listenerHTTP(let listener, let http):
      return .listenerHTTP(listener: listener.replacingColons, http: http.replacingColons)
    case .cluster(let name): return .cluster(name.replacingColons)
    case .tcp(let name): return .tcp(name.replacingColons)
    case .virtualCluster(let host, let name):
      return .virtualCluster(host: host.replacingColons, name: name.replacingColons)
    case .route(let host, let name):
      return .route(host: host.replacingColons, name: name.replacingColons)
    case .other, .series: return self
    }
  }
}

extension String {
  var replacingColons: String {
    let colon = UInt8(ascii: ":")
    guard utf8.contains(colon) else { return self }
    return String(decoding: utf8.map { $0 == colon ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }
}
