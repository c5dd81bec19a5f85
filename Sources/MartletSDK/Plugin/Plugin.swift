// What a library exports, in one line of the author's:
//
//     @c(martlet_plugin_v1)
//     public func martletPlugin(_ minor: UInt32) -> PluginEntry {
//       Plugin.entry(id: "com.example.greeting", version: "1.0.0", .http(Greeting.self))
//     }
import CMartletABI

/// What `martlet_plugin_v1` returns.
public typealias PluginEntry = UnsafeRawPointer?

/// The plugin of this library.
public enum Plugin {
  /// The plugin as the host reads it. `id` says who it is, in reverse domain notation, at most 127
  /// letters, digits, '.', '-' and '_'; two libraries of one id are two versions of one plugin.
  public static func entry(id: String, version: String, _ filters: PluginFilter...) -> PluginEntry {
    entry(id: id, version: version, filters: filters)
  }

  static func entry(id: String, version: String, filters: [PluginFilter]) -> PluginEntry {
    if let entry = PluginState.entries[id] { return UnsafeRawPointer(entry) }
    PluginState.filters += filters
    PluginState.http = httpList(PluginState.filters)
    PluginState.network = networkList(PluginState.filters)
    PluginState.formatters = formatterList(PluginState.filters)
    var plugin = martlet_plugin()
    plugin.size = UInt32(MemoryLayout<martlet_plugin>.size)
    plugin.abi_minor = UInt32(MARTLET_ABI_MINOR)
    plugin.id = UnsafePointer(permanent(id))
    plugin.version = UnsafePointer(permanent(version))
    plugin.open = { host in
      guard let host, let services = HostServices.find(host) else { return MARTLET_E_NOT_FOUND }
      // Filters of a kind that the host has no table for would call what is not there.
      if PluginState.http != nil, services.pointee.http.size == 0 { return MARTLET_E_NOT_FOUND }
      if PluginState.network != nil, services.pointee.network.size == 0 { return MARTLET_E_NOT_FOUND }
      PluginState.services = services
      return MARTLET_OK
    }
    plugin.query = { id in
      guard let id else { return nil }
      switch String(cString: id) {
      case "martlet.plugin.http_filter/1": return UnsafeRawPointer(PluginState.http)
      case "martlet.plugin.network_filter/1": return UnsafeRawPointer(PluginState.network)
      case "martlet.plugin.format_operator/1": return UnsafeRawPointer(PluginState.formatters)
      default: return nil
      }
    }
    let entry = permanent(plugin)
    PluginState.entries[id] = entry
    return UnsafeRawPointer(entry)
  }

  private static func httpList(
    _ filters: [PluginFilter]
  ) -> UnsafePointer<martlet_http_filter_list>? {
    let tables: [UnsafePointer<martlet_http_filter>?] = filters.compactMap {
      if case .http(let table) = $0.kind { table } else { nil }
    }
    if tables.isEmpty { return nil }
    var list = martlet_http_filter_list()
    list.size = UInt32(MemoryLayout<martlet_http_filter_list>.size)
    list.count = UInt32(tables.count)
    list.filters = UnsafePointer(permanentArray(tables))
    return permanent(list)
  }

  private static func networkList(
    _ filters: [PluginFilter]
  ) -> UnsafePointer<martlet_network_filter_list>? {
    let tables: [UnsafePointer<martlet_network_filter>?] = filters.compactMap {
      if case .network(let table) = $0.kind { table } else { nil }
    }
    if tables.isEmpty { return nil }
    var list = martlet_network_filter_list()
    list.size = UInt32(MemoryLayout<martlet_network_filter_list>.size)
    list.count = UInt32(tables.count)
    list.filters = UnsafePointer(permanentArray(tables))
    return permanent(list)
  }

  private static func formatterList(
    _ filters: [PluginFilter]
  ) -> UnsafePointer<martlet_format_operator_list>? {
    let tables: [UnsafePointer<martlet_format_operator>?] = filters.compactMap {
      if case .formatter(let table) = $0.kind { table } else { nil }
    }
    if tables.isEmpty { return nil }
    var list = martlet_format_operator_list()
    list.size = UInt32(MemoryLayout<martlet_format_operator_list>.size)
    list.count = UInt32(tables.count)
    list.operators = UnsafePointer(permanentArray(tables))
    return permanent(list)
  }

  private static func permanentArray<Value>(_ values: [Value]) -> UnsafeMutablePointer<Value> {
    let copy = UnsafeMutablePointer<Value>.allocate(capacity: max(values.count, 1))
    copy.initialize(from: values, count: values.count)
    return copy
  }
}

/// The state of this library: each plugin has an SDK of its own in it. Written by the control thread
/// before anything else runs, then only read. Several plugins have one together in the process of a
/// unit test alone; each then shows the filters of all.
enum PluginState {
  nonisolated(unsafe) static var entries: [String: UnsafePointer<martlet_plugin>] = [:]
  nonisolated(unsafe) static var filters: [PluginFilter] = []
  nonisolated(unsafe) static var services: UnsafePointer<HostServices>?
  nonisolated(unsafe) static var http: UnsafePointer<martlet_http_filter_list>?
  nonisolated(unsafe) static var network: UnsafePointer<martlet_network_filter_list>?
  nonisolated(unsafe) static var formatters: UnsafePointer<martlet_format_operator_list>?
}
