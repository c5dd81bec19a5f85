// What a route says about the filters of its chain (`typed_per_filter_config`), by their places: which are
// turned off or on, and their configurations, the most specific first. Compiled with the route table.
import Model

final class RouteFilterTable {
  private struct Entry {
    /// What the plugin made of them, the most specific first.
    var configs: [UnsafeMutableRawPointer?] = []
    var isDisabled: Bool?
  }
  private let entries: [Entry]
  /// Keeps the configurations alive.
  private let bindings: [FilterBinding]

  /// Nil where no level speaks of a filter in the chain. `levels`: the most specific first.
  init?(chain: [String], levels: [RouteFilters]) {
    var bindings: [FilterBinding] = []
    entries = chain.map { name in
      var entry = Entry()
      for level in levels {
        guard let found = level[name] else { continue }
        if entry.isDisabled == nil { entry.isDisabled = found.isDisabled }
        guard let binding = found.binding else { continue }
        entry.configs.append(binding.config)
        bindings.append(binding)
      }
      return entry
    }
    self.bindings = bindings
    if bindings.isEmpty, entries.allSatisfy({ $0.isDisabled == nil }) { return nil }
  }

  /// Nil: the route says nothing about it.
  func isDisabled(_ filter: Int) -> Bool? { entries[filter].isDisabled }

  /// Nil: there are no more levels.
  @inline(__always)
  func config(_ filter: Int, level: Int) -> UnsafeMutableRawPointer?? {
    let configs = entries[filter].configs
    return level < configs.count ? .some(configs[level]) : nil
  }
}
