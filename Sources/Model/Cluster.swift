// Clusters and endpoints (`config.cluster.v3`, `config.endpoint.v3`).

public struct Cluster: Hashable, Sendable {
  public var name: String
  /// `alt_stat_name` or the name: `cluster.<statName>.`.
  public var statName: String
  /// Where the endpoints come from.
  public var discovery = Discovery.fixed
  /// Endpoints in the order of the file. Empty for clusters that find theirs later.
  public var endpoints: [Endpoint]
  public var loadBalancing = LoadBalancing()
  public var circuitBreakers = CircuitBreakers()
  public var connections = UpstreamConnections()
  /// Envoy's default 5 s.
  public var connectTimeout: Duration = .seconds(5)
  /// Bytes buffered for an upstream connection before the client is no longer read.
  public var perConnectionBufferLimit: Int = 1 << 20
  /// Idle pooled connections are closed after this (nil: never). Envoy's default 1 h.
  public var idleTimeout: Duration? = .seconds(3600)
  /// `max_requests_per_connection` (nil: no limit).
  public var maxRequestsPerConnection: UInt32?
  /// A connection older than this takes no further request (nil: no limit).
  public var maxConnectionDuration: Duration?
  /// From the sending of a request to the end of its answer (nil: no limit). Answered with 408 or 504.
  public var maxStreamDuration: Duration?
  /// `common_http_protocol_options.max_headers_count` for responses.
  public var maxResponseHeaders: Int = 100
  /// `max_response_headers_kb`, in bytes here.
  public var maxResponseHeadersBytes: Int = 60 << 10
  public var http1 = HTTP1Options()
  public var metadata = Metadata()

  public init(name: String, endpoints: [Endpoint]) {
    self.name = name
    self.statName = name
    self.endpoints = endpoints
  }

  public enum Discovery: Hashable, Sendable {
    /// They stand in the configuration.
    case fixed
    case dns(DNSDiscovery)
    case originalDestination(OriginalDestination)
  }
}

/// Where a host stands (`config.core.v3.Locality`).
public struct Locality: Hashable, Sendable {
  public var region = ""
  public var zone = ""
  public var subZone = ""
  public init() {}
}

public struct Endpoint: Hashable, Sendable {
  public var address: SocketAddress
  /// Further ways to the same host, tried when the first does not answer (RFC 8305).
  public var additionalAddresses: [SocketAddress] = []
  /// `load_balancing_weight`, 1...
  public var weight: UInt32 = 1
  /// Empty: none given.
  public var hostname = ""
  public var locality = Locality()
  /// The weight of its locality within its priority; nil: none, which is nothing where localities
  /// are weighted.
  public var localityWeight: UInt32?
  /// 0...128; 0 is taken first.
  public var priority = 0
  public var health = Health.healthy
  public var metadata = Metadata()
  public init(address: SocketAddress) { self.address = address }

  public var zone: String { locality.zone }

  /// `health_status`, as far as balancing sees it.
  public enum Health: UInt8, Hashable, Sendable, CaseIterable {
    case healthy, degraded, unhealthy
    /// As unhealthy, and not counted where it is asked how many are healthy.
    case draining
    /// As unhealthy: an earlier check timed out.
    case timeout
  }
}
