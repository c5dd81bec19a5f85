// Listeners and filter chains (`config.listener.v3`).

/// A listener: addresses, the filters that run before a chain is chosen, and the chains.
public struct Listener: Hashable, Sendable {
  /// Unique among listeners. A loader makes one up where the file has none.
  public var name: String
  /// `stat_prefix`, or the first address as Envoy writes it in `listener.<prefix>.`.
  public var statPrefix: String
  /// The main address first, then `additional_addresses`. Never empty.
  public var addresses: [Address]
  /// False: no socket is opened; connections arrive from `useOriginalDestination` of another.
  public var bindToPort = true
  /// Let several workers' sockets share the port (SO_REUSEPORT). Without it one socket is
  /// shared by the workers.
  public var enableReusePort = true
  /// `listen(2)`'s backlog, 1... (nil: the system's maximum).
  public var backlog: Int32?
  /// Bytes buffered for a connection before its peer is no longer read. Envoy's default 1 MiB.
  public var perConnectionBufferLimit: Int = 1 << 20
  public var tcpFastOpenQueueLength: Int32?
  public var transparent = false
  public var freebind = false
  /// Hand a connection whose original destination is another listener's address to it.
  public var useOriginalDestination = false
  /// Connections at once (nil: no limit). Over it: closed and counted.
  public var maxConnections: UInt64?
  /// Connections accepted in one event-loop turn, 1... (nil: the data plane's choice).
  public var maxConnectionsPerTurn: Int?
  public var socketOptions: [SocketOption] = []
  public var listenerFilters: [ListenerFilter] = []
  /// How long listener filters may take (nil: no limit). Envoy's default 15 s.
  public var listenerFiltersTimeout: Duration? = .seconds(15)
  public var continueOnListenerFiltersTimeout = false
  public var filterChains: [FilterChain] = []
  public var defaultFilterChain: FilterChain?
  /// Of connections, a line at the end of each.
  public var accessLogs: [AccessLog] = []
  /// `traffic_direction: INBOUND`: drained by `/drain_listeners?inboundonly`.
  public var isInbound = false
  public var metadata = Metadata()

  public struct Address: Hashable, Sendable {
    public var address: SocketAddress
    /// IPV6_V6ONLY off: accept IPv4 on an IPv6 socket.
    public var ipv4Compatible = false
    /// Nil: the listener's own.
    public var socketOptions: [SocketOption]?
    public init(_ address: SocketAddress) { self.address = address }
  }

  public init(name: String, statPrefix: String, addresses: [Address]) {
    self.name = name
    self.statPrefix = statPrefix
    self.addresses = addresses
  }
}

/// `config.core.v3.SocketOption`.
public struct SocketOption: Hashable, Sendable {
  public enum Value: Hashable, Sendable {
    case int(Int64)
    case bytes([UInt8])
  }
  public enum State: Sendable { case preBind, bound, listening }
  public var level: Int32
  public var name: Int32
  public var value: Value
  public var state: State
  public init(level: Int32, name: Int32, value: Value, state: State) {
    self.level = level
    self.name = name
    self.value = value
    self.state = state
  }
}

/// A filter that sees a connection before its chain is chosen.
public enum ListenerFilter: Hashable, Sendable {
  case proxyProtocol(ProxyProtocol)
  case originalDestination

  /// `extensions.filters.listener.proxy_protocol.v3.ProxyProtocol`.
  public struct ProxyProtocol: Hashable, Sendable {
    public var allowRequestsWithoutProxyProtocol = false
    public var acceptV1 = true
    public var acceptV2 = true
    /// TLVs kept with the connection: all, or those of the listed types.
    public enum PassThrough: Hashable, Sendable {
      case none
      case all
      case types(Set<UInt8>)
    }
    public var passThroughTLVs = PassThrough.none
    /// Values that are kept for formats and matchers, in the order of the file.
    public var rules: [Rule] = []
    /// They are kept in the filter state, not in the dynamic metadata.
    public var storesInFilterState = false
    /// Empty: `proxy_proto.`; otherwise `proxy_proto.<prefix>.`.
    public var statPrefix = ""
    public init() {}

    /// TLVs of a type are kept under `key`.
    public struct Rule: Hashable, Sendable {
      public var type: UInt8
      /// Of the dynamic metadata.
      public var namespace: String
      public var key: String
      public init(type: UInt8, namespace: String, key: String) {
        self.type = type
        self.namespace = namespace
        self.key = key
      }
    }
  }
}

/// One filter chain: what connections it takes, and its network filters.
public struct FilterChain: Hashable, Sendable {
  public var name: String
  public var match: FilterChainMatch
  /// The last is terminal and no other is. Empty: the connection is closed at once, as Envoy.
  public var filters: [NetworkFilter]
  public var metadata = Metadata()

  public init(name: String = "", match: FilterChainMatch = .init(), filters: [NetworkFilter]) {
    self.name = name
    self.match = match
    self.filters = filters
  }
}

/// `FilterChainMatch`. An empty criterion matches everything; the most specific value of the
/// first criterion wins, then the next is looked at, in the order of the properties here.
public struct FilterChainMatch: Hashable, Sendable {
  public var destinationPort: UInt16?
  public var destinationPrefixes: [AddressPrefix] = []
  /// Lower case; `*.example.com` for a suffix.
  public var serverNames: [String] = []
  /// `""`, `raw_buffer` or `tls`.
  public var transportProtocol = ""
  public var applicationProtocols: [String] = []
  public var directSourcePrefixes: [AddressPrefix] = []
  public var sourceType = SourceType.any
  public var sourcePrefixes: [AddressPrefix] = []
  public var sourcePorts: [UInt16] = []

  public enum SourceType: Sendable {
    case any
    /// Loopback, or the same address as the destination's.
    case sameIPOrLoopback
    case external
  }
  public init() {}
}
