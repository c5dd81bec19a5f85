// What is known of one request beyond its heads: times, bytes, who answered and why. Access logs,
// header rules and local replies read it through format strings (`Formatting/`); nothing on the way
// of a request depends on it.
//
// It stands inline in its stream and is written with plain stores: times are the reactor's (one
// clock read a turn), names are pointers to what the stream keeps alive anyway. What would cost a
// system call (the local address of an upstream connection) is recorded only where a format asks.
import Model

struct StreamInfo {
  /// The status of the answer; 0: none has begun.
  var responseCode = 0
  // Why the answer is what it is.
  var flags: ResponseFlags = []
  /// Envoy's `response_code_details`: static text, or bytes of the request's own memory
  /// (`request.headers.scratch`). Empty: none.
  var details = MessageHead.empty
  /// Why the downstream connection is ended by us; static. Empty: it is not.
  var connectionTerminationDetails = MessageHead.empty
  /// As `details`: what the transport said when an upstream connection failed.
  var upstreamTransportFailure = MessageHead.empty

  // Times, in the reactor's nanoseconds; 0: has not happened.
  /// The first byte of the request.
  var start: UInt64 = 0
  var lastDownstreamReceived: UInt64 = 0
  var firstUpstreamSent: UInt64 = 0
  var lastUpstreamSent: UInt64 = 0
  var firstUpstreamReceived: UInt64 = 0
  var firstUpstreamBody: UInt64 = 0
  var lastUpstreamReceived: UInt64 = 0
  var firstDownstreamSent: UInt64 = 0
  var lastDownstreamSent: UInt64 = 0
  var downstreamConnectionEnd: UInt64 = 0
  /// When an upstream connection began and stood, for those that this request waited for.
  var upstreamConnectStart: UInt64 = 0
  var upstreamConnectEnd: UInt64 = 0
  /// When the router took the request up, and when the pool gave it a connection or gave it up.
  var upstreamRequestStart: UInt64 = 0
  var poolReady: UInt64 = 0

  // Bytes. Bodies are without the framing; the wire has it and the heads.
  var bodyReceived: UInt64 = 0
  var bodySent: UInt64 = 0
  var downstream = WireBytes()
  var upstream = WireBytes()

  /// The client that the request names, where it is not the connection's peer; its port is 0 then.
  var remote: SocketAddress?
  /// The client is an internal one (`internal_address_config`).
  var isInternal = false

  // Who. Kept alive by the stream (manager, route table) and its router request until the stream is
  // given back.
  var virtualHostName = MessageHead.empty
  var routeName = MessageHead.empty
  unowned(unsafe) var virtualHostMetadata: MetadataTree?
  unowned(unsafe) var routeMetadata: MetadataTree?
  unowned(unsafe) var cluster: ClusterRuntime?
  unowned(unsafe) var endpoint: EndpointRuntime?
  /// Of the connection that carried the request; only where a format asks (`FormatNeeds`).
  var upstreamLocal: SocketAddress?
  var upstreamConnectionID: UInt64 = 0
  /// Only where a format asks.
  unowned(unsafe) var attempted: AttemptList?
  /// Attempts to send the request upstream, the first one included.
  var attempts: UInt32 = 0
  /// Looks for a route, the one for the request as it came included.
  var routeResolutions: UInt32 = 0
  /// Nanoseconds in all; only where a format asks.
  var routeResolutionTime: UInt64 = 0

  init() {}
  init(start: UInt64) { self.start = start }

  @inline(__always)
  mutating func setDetails(_ text: StaticString) {
    details = ByteView(text.utf8Start, text.utf8CodeUnitCount)
  }

  /// Adds a flag and says the details. The first details stay: what follows is its consequence.
  @inline(__always)
  mutating func note(_ flags: ResponseFlags, details text: StaticString) {
    self.flags.formUnion(flags)
    if details.count == 0 { details = ByteView(text.utf8Start, text.utf8CodeUnitCount) }
  }
}

/// Envoy's `response_code_details` that the core says.
enum ResponseDetails {
  static let viaUpstream: StaticString = "via_upstream"
  static let directResponse: StaticString = "direct_response"
  static let routeNotFound: StaticString = "route_not_found"
  static let filterChainNotFound: StaticString = "filter_chain_not_found"
  static let clusterNotFound: StaticString = "cluster_not_found"
  static let noHealthyUpstream: StaticString = "no_healthy_upstream"
  static let upstreamTimeout: StaticString = "response_timeout"
  static let perTryTimeout: StaticString = "upstream_per_try_timeout"
  static let perTryIdleTimeout: StaticString = "upstream_per_try_idle_timeout"
  static let maxStreamDuration: StaticString = "upstream_max_stream_duration_reached"
  static let requestHeaderTimeout: StaticString = "request_header_timeout"
  static let requestTimeout: StaticString = "request_overall_timeout"
  static let streamIdleTimeout: StaticString = "stream_idle_timeout"
  static let maxDuration: StaticString = "max_duration_timeout"
  static let upgradeFailed: StaticString = "upgrade_failed"
  static let originalIPDetectionFailed: StaticString = "rejecting_because_detection_failed"
  static let missingHost: StaticString = "missing_host_header"
  static let pathNormalizationFailed: StaticString = "path_normalization_failed"
  static let downstreamRemoteDisconnect: StaticString = "downstream_remote_disconnect"
  static let downstreamLocalDisconnect: StaticString = "downstream_local_disconnect"
  static let internalRedirect: StaticString = "internal_redirect"
  static let requestPayloadTooLarge: StaticString = "request_payload_too_large"
  static let responsePayloadTooLarge: StaticString = "response_payload_too_large"
}
