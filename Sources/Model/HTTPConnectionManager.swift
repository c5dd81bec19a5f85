// The HTTP connection manager's configuration
// (`extensions.filters.network.http_connection_manager.v3`).

public struct HTTPConnectionManager: Hashable, Sendable {
  public var statPrefix: String
  public var routes: RouteConfiguration
  public var codec = Codec.auto
  /// The `server` header of responses.
  public var serverName = "martlet"
  public var serverHeaderTransformation = ServerHeaderTransformation.overwrite
  public var http1 = HTTP1Options()
  /// `max_request_headers_kb`, in bytes here. Over it: 431.
  public var maxRequestHeadersBytes: Int = 60 << 10
  /// `common_http_protocol_options.max_headers_count`. Over it: 431.
  public var maxRequestHeaders: Int = 100
  /// `common_http_protocol_options.idle_timeout`: a connection without a request (nil: never).
  public var idleTimeout: Duration? = .seconds(3600)
  /// A stream without a byte in either direction (nil: never). Answered with 408 or 504.
  public var streamIdleTimeout: Duration? = .seconds(300)
  /// From the first byte of a request to its last (nil: never). Answered with 408.
  public var requestTimeout: Duration?
  /// From the first byte of a request to the end of its head (nil: never). Answered with 408.
  public var requestHeadersTimeout: Duration?
  /// How long a connection that has reached its duration may still ask for something before it is
  /// closed without an answer that says so.
  public var drainTimeout: Duration = .seconds(5)
  /// How long a connection that has been answered for the last time waits for the peer to close
  /// (nil: not at all).
  public var delayedCloseTimeout: Duration? = .seconds(1)
  /// `common_http_protocol_options.max_connection_duration` (nil: none).
  public var maxConnectionDuration: Duration?
  /// `common_http_protocol_options.max_requests_per_connection` (nil: none).
  public var maxRequestsPerConnection: UInt32?
  public var clientTrust = ClientTrust()
  public var requestHeaders = RequestHeaderOptions()
  public var target = TargetNormalization()
  /// Header names with underscores (`headers_with_underscores_action`): some servers take them for
  /// the same name with dashes.
  public var underscores = Underscores.allow
  /// The router's `suppress_envoy_headers`: no `x-envoy-*` header is added to a request or response.
  public var suppressEnvoyHeaders = false
  public var accessLogs: [AccessLog] = []
  public var accessLogTiming = AccessLogTiming()
  /// `local_reply_config` (nil: none).
  public var localReplies: LocalReplies?

  /// `proxy_100_continue`: the upstream answers `Expect: 100-continue`, not the proxy.
  public var proxiesContinue = false
  /// `http1_safe_max_connection_duration`: a connection that has reached its duration is closed with
  /// its next answer and not before.
  public var waitsForLastRequest = false
  /// From the first byte of a request to the end of its answer (nil: no limit). Answered with 408 or
  /// 504.
  public var maxStreamDuration: Duration?
  /// `upgrade_configs`: protocols in lower case, and whether they are let through.
  public var upgrades: [String: Bool] = [:]
  /// In front of the router, in the order of requests.
  public var filters: [HTTPFilter] = []

  public enum Underscores: Sendable { case allow, drop, reject }
  public enum Codec: Sendable { case auto, http1 }
  public enum ServerHeaderTransformation: Sendable {
    case overwrite, appendIfAbsent, passThrough
  }

  public init(statPrefix: String, routes: RouteConfiguration) {
    self.statPrefix = statPrefix
    self.routes = routes
  }
}

/// `config.core.v3.Http1ProtocolOptions`, of either side.
public struct HTTP1Options: Hashable, Sendable {
  public var acceptHTTP10 = false
  /// Host of an HTTP/1.0 request without one (empty: such a request is 400).
  public var defaultHostForHTTP10 = ""
  /// Absolute-form request targets (RFC 9112 section 3.2.2).
  public var allowAbsoluteURL = true
  public var enableTrailers = false
  /// `header_key_format`: how names of fields are written, to the other side (`lower`, `proper`) or
  /// to the side behind the proxy (`preserved`).
  public var names = Names.lower
  public enum Names: Hashable, Sendable {
    case lower
    /// `Like-This`.
    case proper
    /// As they came; those that did not, in lower case or `Like-This`. `keepsReason`: so is the
    /// reason phrase of answers.
    case preserved(othersProper: Bool, keepsReason: Bool)
  }
  public init() {}
}

extension HTTPConnectionManager {
  /// Of its filters, each once.
  public var pluginVersions: [PluginVersion] {
    var seen = Set<ObjectIdentifier>()
    return filters.map(\.binding.plugin).filter { seen.insert(ObjectIdentifier($0)).inserted }
  }
}
