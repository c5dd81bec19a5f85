// Network filters (`config.listener.v3.Filter`) and the built-in ones' configuration.

/// One network filter of a chain.
public enum NetworkFilter: Hashable, Sendable {
  case echo
  /// Answer each connection with these bytes and close it.
  case directResponse([UInt8])
  case connectionLimit(ConnectionLimit)
  case tcpProxy(TCPProxy)
  case httpConnectionManager(HTTPConnectionManager)
  case plugin(PluginNetworkFilter)

  /// True for the filters that must be last in a chain.
  public var isTerminal: Bool {
    switch self {
    case .connectionLimit: false
    case .echo, .directResponse, .tcpProxy, .httpConnectionManager: true
    case .plugin(let filter): filter.isTerminal
    }
  }
}

/// A network filter of a plugin.
public struct PluginNetworkFilter: Hashable, Sendable {
  public var name: String
  public var binding: FilterBinding
  public var isTerminal: Bool
  public init(name: String, binding: FilterBinding, isTerminal: Bool) {
    self.name = name
    self.binding = binding
    self.isTerminal = isTerminal
  }
}

/// `extensions.filters.network.connection_limit.v3.ConnectionLimit`.
public struct ConnectionLimit: Hashable, Sendable {
  public var statPrefix: String
  /// 1...
  public var maxConnections: UInt64
  /// How long a connection over the limit is held before it is closed (nil: closed at once).
  public var delay: Duration?
  public var enabled = RuntimeFlag(defaultValue: true)
  public init(statPrefix: String, maxConnections: UInt64) {
    self.statPrefix = statPrefix
    self.maxConnections = maxConnections
  }
}

/// `extensions.filters.network.tcp_proxy.v3.TcpProxy`.
public struct TCPProxy: Hashable, Sendable {
  public var statPrefix: String
  public var cluster: ClusterChoice
  /// No byte in either direction for so long: closed (nil: never). Envoy's default 1 h.
  public var idleTimeout: Duration? = .seconds(3600)
  /// Attempts to connect upstream, 1...
  public var maxConnectAttempts: Int = 1
  /// `max_downstream_connection_duration` (nil: none).
  public var maxConnectionDuration: Duration?
  public var accessLogs: [AccessLog] = []
  public var accessLogTiming = AccessLogTiming()

  public enum ClusterChoice: Hashable, Sendable {
    case single(String)
    /// Weights are 1...; drawn at random in proportion, once a connection.
    case weighted([Weighted])
  }
  public struct Weighted: Hashable, Sendable {
    public var cluster: String
    public var weight: UInt32
    public init(cluster: String, weight: UInt32) {
      self.cluster = cluster
      self.weight = weight
    }
  }
  public init(statPrefix: String, cluster: ClusterChoice) {
    self.statPrefix = statPrefix
    self.cluster = cluster
  }
}
