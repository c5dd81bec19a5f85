// Which statistics exist. Workers register a block for each scope when a configuration is applied
// (rare, under a lock); the control side reads them all. A scope that comes back under the same
// name goes on with its old counts, as Envoy's do.
import Synchronization

final class StatRegistry: Sendable {
  private struct Key: Hashable {
    let scope: StatValue.Scope
    let schema: ObjectIdentifier
    let worker: Int
  }
  private struct Entry {
    let scope: StatValue.Scope
    let names: [(String, StatValue.Kind)]
    var blocks: [StatBlock]
  }
  private struct State {
    var blocks: [Key: StatBlock] = [:]
    var entries: [Entry] = []
    var entryOf: [Key: Int] = [:]
  }
  private let state = Locked(State())

  /// The worker's counters for a scope, made at first asking.
  func counters<Schema: StatSchema>(
    _ schema: Schema.Type, scope: StatValue.Scope, worker: Int
  ) -> Counters<Schema> {
    let scope = scope.sanitized
    return state.withLock { state in
      let key = Key(scope: scope, schema: ObjectIdentifier(schema), worker: worker)
      if let block = state.blocks[key] { return Counters(block) }
      let block = StatBlock(count: Schema.allCases.count)
      state.blocks[key] = block
      let entryKey = Key(scope: scope, schema: ObjectIdentifier(schema), worker: -1)
      if let index = state.entryOf[entryKey] {
        state.entries[index].blocks.append(block)
      } else {
        state.entryOf[entryKey] = state.entries.count
        state.entries.append(
          Entry(scope: scope, names: Schema.allCases.map { ($0.name, $0.kind) }, blocks: [block]))
      }
      return Counters(block)
    }
  }

  /// Every statistic, summed over the workers, in order of registration.
  func snapshot() -> [StatValue] {
    state.withLock { state in
      var values: [StatValue] = []
      for entry in state.entries {
        for (index, (name, kind)) in entry.names.enumerated() {
          let sum = entry.blocks.reduce(UInt64(0)) { $0 &+ $1.words[index].load(ordering: .relaxed) }
          values.append(StatValue(scope: entry.scope, name: name, kind: kind, value: sum))
        }
      }
      return values
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
    case .other: return self
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
