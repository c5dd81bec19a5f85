// The whole of what a running proxy does, as one immutable value. Loaders (files, later xDS)
// make it; the control side posts it to the workers; each worker builds its own runtime
// objects from it. Nothing here refers to protobuf, to a socket or to a thread.
//
// Every value has been validated: the data plane does not check again what is promised here.
// Durations are `Duration`; a timeout of `nil` means "none" (Envoy's 0s where it says so).

/// One configuration, whole.
public struct ProxyConfiguration: Hashable, Sendable {
  public var node = Node()
  public var admin: AdminEndpoint?
  public var listeners: [Listener] = []
  public var clusters: [Cluster] = []
  /// Configurations of plugins' format operators (`bootstrap_extensions`).
  public var formatters: [FilterBinding] = []
  /// Global limit on downstream connections over all listeners (nil: none). From the overload
  /// manager's `envoy.resource_monitors.global_downstream_max_connections` or the runtime key
  /// `overload.global_downstream_max_connections`.
  public var maxDownstreamConnections: UInt64?

  /// How long an interval of the histograms is. Envoy's default 5 s.
  public var statsFlushInterval: Duration = .seconds(5)
  public var stats = StatsConfiguration()
  /// Runtime layers, the later over the earlier.
  public var runtimeLayers: [RuntimeLayer] = []
  /// Runtime values by key: what the layers amount to now.
  public var runtime: [String: RuntimeValue] = [:]
  /// What holds for plugins that take long or crash.
  public var plugins = PluginPolicies()

  public init() {}
}

/// Who this proxy is (`config.core.v3.Node`, the bootstrap's and the command line's).
public struct Node: Hashable, Sendable {
  public var id = ""
  public var cluster = ""
  public var zone = ""
  public var region = ""
  public var subZone = ""
  public init() {}
}

/// The admin listener (`config.bootstrap.v3.Admin`).
public struct AdminEndpoint: Hashable, Sendable {
  public var address: SocketAddress
  /// The admin's own access log; empty: none.
  public var accessLogPath = ""
  public init(address: SocketAddress) { self.address = address }
}
