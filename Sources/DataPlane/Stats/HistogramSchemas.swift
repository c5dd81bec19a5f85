// The histograms of each scope, under Envoy's names.

/// `listener.<address>.`
enum ListenerHistogram: Int, HistogramSchema {
  case connectionLength, acceptedPerEvent
  var name: String {
    self == .connectionLength ? "downstream_cx_length_ms" : "connections_accepted_per_socket_event"
  }
  var isHiddenUnused: Bool { false }
}

/// `http.<stat_prefix>.`
enum HTTPHistogram: Int, HistogramSchema {
  case connectionLength, requestTime
  var name: String { self == .connectionLength ? "downstream_cx_length_ms" : "downstream_rq_time" }
  var isHiddenUnused: Bool { false }
}

/// `cluster.<name>.`
enum ClusterHistogram: Int, HistogramSchema {
  case connectTime, connectionLength, requestsPerConnection, requestTime, internalRequestTime,
    externalRequestTime, canaryRequestTime
  var name: String {
    switch self {
    case .connectTime: "upstream_cx_connect_ms"
    case .connectionLength: "upstream_cx_length_ms"
    case .requestsPerConnection: "upstream_rq_per_cx"
    case .requestTime: "upstream_rq_time"
    case .internalRequestTime: "internal.upstream_rq_time"
    case .externalRequestTime: "external.upstream_rq_time"
    case .canaryRequestTime: "canary.upstream_rq_time"
    }
  }
  var isHiddenUnused: Bool {
    switch self {
    case .connectTime, .connectionLength, .requestsPerConnection: false
    case .requestTime, .internalRequestTime, .externalRequestTime, .canaryRequestTime: true
    }
  }
}

/// `vhost.<host>.vcluster.<name>.` and `vhost.<host>.route.<name>.`
enum RouteHistogram: Int, HistogramSchema {
  case requestTime
  var name: String { "upstream_rq_time" }
  var isHiddenUnused: Bool { true }
}

/// `server.`
enum ServerHistogram: Int, HistogramSchema {
  case initializationTime
  var name: String { "initialization_time_ms" }
  var isHiddenUnused: Bool { false }
}

/// What a cluster's response codes are divided by (`cluster.<name>.external.upstream_rq_200`).
enum ResponseCodeGroup: Int, CaseIterable {
  case all, `internal`, external, canary
  /// Answers that were not for the client: the request was sent again.
  case retry
  var prefix: String { self == .all ? "" : "\(self)." }
}
