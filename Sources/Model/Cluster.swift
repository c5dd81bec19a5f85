// Clusters and endpoints (`config.cluster.v3`, `config.endpoint.v3`).

public struct Cluster: Hashable, Sendable {
  public var name: String
  /// `alt_stat_name` or the name: `cluster.<statName>.`.
  public var statName: String
  /// Endpoints in the order of the file.
  public var endpoints: [Endpoint]
  public var loadBalancing = LoadBalancing.roundRobin
  /// Envoy's default 5 s.
  public var connectTimeout: Duration = .seconds(5)
  /// Bytes buffered for an upstream connection before the client is no longer read.
  public var perConnectionBufferLimit: Int = 1 << 20
  /// Idle pooled connections are closed after this (nil: never). Envoy's default 1 h.
  public var idleTimeout: Duration? = .seconds(3600)
  /// `max_requests_per_connection` (nil: no limit).
  public var maxRequestsPerConnection: UInt32?
  /// `common_http_protocol_options.max_headers_count` for responses.
  public var maxResponseHeaders: Int = 100
  /// `max_response_headers_kb`, in bytes here.
  public var maxResponseHeadersBytes: Int = 60 << 10
  public var http1 = HTTP1Options()

  public enum LoadBalancing: Sendable { case roundRobin }

  public init(name: String, endpoints: [Endpoint]) {
    self.name = name
    self.statName = name
    self.endpoints = endpoints
  }
}

public struct Endpoint: Hashable, Sendable {
  public var address: SocketAddress
  /// `load_balancing_weight`, 1...
  public var weight: UInt32 = 1
  /// Empty: none given.
  public var hostname = ""
  public var zone = ""
  public init(address: SocketAddress) { self.address = address }
}
