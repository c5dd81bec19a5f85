// The plugins at one time, each id once, and their filters, each name and type once. Where two files want
// the same, the first in search order has it, and the other is reported.
import CMartletABI
public import Model
import Synchronization

public final class PluginSet: FilterCatalog, @unchecked Sendable {
  private unowned let host: PluginHost
  // Changed on the control thread, while a configuration is read with it.
  private(set) var plugins: [LoadedPlugin] = []
  private(set) var entries: [Entry] = []
  public private(set) var refusals: [String] = []
  public var folders: [String] { host.options.folders.map(\.path) }
  /// What holds for plugins that have crashed.
  private(set) var policies = PluginPolicies()
  private var isScanned = false
  /// The folders that nobody has named as well.
  private var hasInstalled = false
  /// Those that were named until now.
  private var known: [PluginReference] = []

  struct Entry {
    let plugin: LoadedPlugin
    let filter: LoadedFilter
    let path: String
  }

  /// Names that are the proxy's own.
  private static let own: Set<String> = [
    "envoy.filters.http.router", "envoy.filters.network.http_connection_manager",
    "envoy.filters.network.tcp_proxy", "envoy.filters.network.echo",
    "envoy.filters.network.direct_response", "envoy.filters.network.connection_limit",
  ]

  init(host: PluginHost) { self.host = host }

  private func word(_ kind: FilterKind) -> String { kind == .formatter ? "formatter" : "filter" }

  typealias Log = @Sendable (martlet_log_level, String) -> Void

  func refuse(_ message: String, _ log: Log) {
    refusals.append(message)
    log(MARTLET_LOG_ERROR, message)
  }

  /// `isExplicit`: named by the bootstrap, so that it comes before what was found.
  func add(_ plugin: LoadedPlugin, from path: String, isExplicit: Bool = false, _ log: Log) {
    if let known = plugins.first(where: { $0.id == plugin.id }) {
      if known === plugin { return }
      guard isExplicit else {
        log(
          MARTLET_LOG_WARNING,
          "plugin '\(path)': \(plugin.id) \(plugin.version.version) is not used, for '\(known.path)' "
            + "has \(known.id) \(known.version.version) and comes first")
        return
      }
      plugins.removeAll { $0 === known }
      entries.removeAll { $0.plugin === known }
      log(
        MARTLET_LOG_INFO,
        "plugin '\(known.path)': \(known.id) \(known.version.version) gives way to '\(path)', "
          + "which the bootstrap names"
      )
    }
    if isExplicit { plugins.insert(plugin, at: 0) } else { plugins.append(plugin) }
    for filter in plugin.filters { add(filter, of: plugin, path, log) }
  }

  private func add(_ filter: LoadedFilter, of plugin: LoadedPlugin, _ path: String, _ log: Log) {
    let description = filter.description
    func refuse(_ what: String) {
      self.refuse(
        "plugin '\(path)': its \(word(filter.kind)) \(description.name) is not used, for \(what)", log)
    }
    if Self.own.contains(description.name) { return refuse("the proxy has one of that name itself") }
    if let name = description.operators.first(where: { !FormatParser.isFree($0) }) {
      return refuse("the proxy has the operator %\(name)% itself")
    }
    for entry in entries where entry.filter.kind == filter.kind {
      let other = entry.filter.description
      if other.name == description.name { return refuse("'\(entry.path)' has one of that name") }
      if let type = description.typeNames.first(where: other.typeNames.contains) {
        return refuse("\(other.name) of '\(entry.path)' has the type \(type)")
      }
      if let name = description.operators.first(where: other.operators.contains) {
        return refuse("\(other.name) of '\(entry.path)' has the operator %\(name)%")
      }
    }
    entries.append(Entry(plugin: plugin, filter: filter, path: path))
  }

  public var filters: [FilterDescription] { entries.map(\.filter.description) }

  public func load(
    _ references: [PluginReference], policies: PluginPolicies?
  ) -> [(index: Int, message: String)] {
    host.control.run {
      // A file and an overlay are read one after the other; what the later one says of policies holds.
      if let policies, policies != self.policies { isScanned = false }
      self.policies = policies ?? self.policies
      if !isScanned {
        (plugins, entries, refusals) = ([], [], [])
        host.scan(into: self, isNamed: true)
        // What the file before this one has found there is to be found again.
        if hasInstalled { host.scan(into: self, isNamed: false) }
        isScanned = true
        // What is wrong with them has been told.
        for reference in known { _ = host.add(reference, to: self) }
      }
      known += references
      return references.enumerated().compactMap { index, reference in
        host.add(reference, to: self).map { (index, $0) }
      }
    }
  }

  public func loadInstalled() -> Bool {
    host.control.run {
      if hasInstalled { return false }
      hasInstalled = true
      let count = entries.count
      host.scan(into: self, isNamed: false)
      return entries.count > count
    }
  }

  public func operators(_ configurations: [FilterBinding], node: Node) -> any FormatOperatorSource {
    FormatOperators(self, host, configurations, node)
  }

  public func make(
    _ request: FilterRequest, operators: (any FormatOperatorSource)?
  ) -> FilterOutcome {
    guard
      let entry = entries.first(where: {
        $0.filter.kind == request.kind && $0.filter.description.name == request.filter
      })
    else {
      let problem = FilterProblem(path: "", message: "no plugin has the filter \(request.filter)")
      return FilterOutcome(binding: nil, errors: [problem], warnings: [])
    }
    return host.make(entry.plugin, entry.filter, request, operators as? FormatOperators)
  }
}
