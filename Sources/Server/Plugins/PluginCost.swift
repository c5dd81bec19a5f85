// What calls into plugins cost, summed over the threads: for `/plugins` and the statistics.
import Admin
import CMartletBlame

/// What a function of a filter has cost, over all threads.
struct PluginCost: Hashable {
  var plugin: String
  var hash: String
  var filter: String
  var hook: String
  var calls: UInt64 = 0
  /// Nanoseconds, estimated of one call in 256.
  var time: UInt64 = 0
  var over: UInt64 = 0
  var bytes: UInt64 = 0

  /// Not a function that is called once a load, which is no matter of statistics.
  var isOfTraffic: Bool { !filter.isEmpty || hook == "format" }

  /// Of every function that was called, in the order of plugins, filters and functions.
  static func all(_ tallies: [PluginTally]) -> [PluginCost] {
    struct Key: Hashable {
      var hash: String
      var filter: String
      var hook: UInt32
    }
    var costs: [Key: PluginCost] = [:]
    for tally in tallies where tally.hasPlugin {
      let (plugin, hash, filter) = (tally.plugin, tally.hash, tally.filter)
      // Before it is opened a plugin has no name.
      for hook in PluginTally.hooks where hook >= MARTLET_HOOK_OPEN && tally.calls(hook) > 0 {
        let key = Key(hash: hash, filter: filter, hook: hook)
        let name = PluginTally.name(of: hook)
        var cost = costs[key] ?? PluginCost(plugin: plugin, hash: hash, filter: filter, hook: name)
        cost.calls &+= tally.calls(hook)
        cost.time &+= tally.time(hook)
        cost.over &+= tally.over(hook)
        cost.bytes &+= tally.bytes(hook)
        costs[key] = cost
      }
    }
    return costs.sorted {
      ($0.key.hash, $0.key.filter, $0.key.hook) < ($1.key.hash, $1.key.filter, $1.key.hook)
    }
    .map(\.value)
  }

  /// `plugin.<id>.<first digits of the hash>.filter.<name>.<function>.calls` and the others; for metric
  /// systems the parts are labels.
  func statistics(_ view: StatisticsView) -> [Statistic] {
    let digits = String(hash.prefix(12))
    let place = filter.isEmpty ? hook : "filter.\(filter).\(hook)"
    let values: [(String, UInt64)] = [
      ("calls", calls), ("time_ns", time), ("over_budget", over), ("allocated_bytes", bytes),
    ]
    let tags: [StatisticName.Tag] = [
      .init("plugin", plugin), .init("sha256", digits), .init("filter", filter), .init("function", hook),
    ]
    return values.map { name, value in
      Statistic(
        view.name(
          text: "plugin.\(plugin).\(digits).\(place).\(name)".replacingColons,
          tagged: "plugin.\(name)", tags: tags), kind: .counter, value: value)
    }
  }
}

extension String {
  /// Colons would end the name in `name: value`.
  var replacingColons: String { String(map { $0 == ":" ? "_" : $0 }) }
}
