// What a plugin gave for one filter of the configuration: the C function table, the filter's
// configuration as the plugin keeps it, and who the plugin is. The plugin host makes these on the
// control thread; the data plane calls the table on the workers.
//
// A binding ends when the last configuration and the last worker let go of it; then the plugin
// frees its configuration, on the control thread. The same plugin with the same configuration gives
// the same binding again, so that a reload which changes nothing changes nothing here.

/// A filter of the configuration (or a route's configuration of it), as its plugin holds it.
public final class FilterBinding: Sendable {
  /// The plugin's table: `martlet_http_filter` or `martlet_network_filter`. Lives as long as the
  /// process.
  public nonisolated(unsafe) let table: UnsafeRawPointer
  /// What `config_create` or `route_config_create` gave.
  public nonisolated(unsafe) let config: UnsafeMutableRawPointer?
  /// The handle of the config scope.
  public let handle: UInt64
  /// The filter's usual name, for logs.
  public let filterName: String
  /// What the chain calls it; on a route, the name of the filter that it is for.
  public let nameInChain: String
  public let plugin: PluginVersion
  /// By name, the operators of plugins in its formats, those in their arguments included, with the
  /// configurations that they have.
  public let operators: [String: FilterBinding]
  private let release: @Sendable () -> Void

  /// `release` is called once, on the thread that lets go of the binding last.
  public init(
    table: UnsafeRawPointer, config: UnsafeMutableRawPointer?, handle: UInt64, filterName: String,
    nameInChain: String? = nil, plugin: PluginVersion, operators: [String: FilterBinding] = [:],
    release: @escaping @Sendable () -> Void
  ) {
    self.operators = operators
    self.table = table
    self.config = config
    self.handle = handle
    self.filterName = filterName
    self.nameInChain = nameInChain ?? filterName
    self.plugin = plugin
    self.release = release
  }

  deinit { release() }
}

extension FilterBinding: Hashable {
  public static func == (left: FilterBinding, right: FilterBinding) -> Bool { left === right }
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// One HTTP filter in front of the router.
public struct HTTPFilter: Hashable, Sendable {
  /// Its name in the chain, by which routes speak of it.
  public var name: String
  public var binding: FilterBinding
  /// Only where a route says otherwise does it take part.
  public var isDisabled = false
  public init(name: String, binding: FilterBinding) {
    self.name = name
    self.binding = binding
  }
}

/// `typed_per_filter_config`: what a route table, virtual host, route or weighted cluster says about
/// one filter of the chain.
public struct RouteFilterConfiguration: Hashable, Sendable {
  /// Nil: it only turns the filter on or off.
  public var binding: FilterBinding?
  /// Nil: it says nothing about that.
  public var isDisabled: Bool?
  public init(binding: FilterBinding? = nil, isDisabled: Bool? = nil) {
    self.binding = binding
    self.isDisabled = isDisabled
  }
}

/// By the filter's name in the chain.
public typealias RouteFilters = [String: RouteFilterConfiguration]
