// The statistics of each scope, under Envoy's names.

/// `listener.<address>.`
enum ListenerStat: Int, StatSchema {
  case connectionTotal, connectionActive, connectionDestroy, connectionOverflow,
    globalConnectionOverflow, preConnectionActive, preConnectionTimeout, noFilterChainMatch,
    acceptErrors, listenerFilterError, listenerFilterRemoteClose
  var name: String {
    switch self {
    case .connectionTotal: "downstream_cx_total"
    case .connectionActive: "downstream_cx_active"
    case .connectionDestroy: "downstream_cx_destroy"
    case .connectionOverflow: "downstream_cx_overflow"
    case .globalConnectionOverflow: "downstream_global_cx_overflow"
    case .preConnectionActive: "downstream_pre_cx_active"
    case .preConnectionTimeout: "downstream_pre_cx_timeout"
    case .noFilterChainMatch: "no_filter_chain_match"
    case .acceptErrors: "downstream_accept_errors"
    case .listenerFilterError: "downstream_listener_filter_error"
    case .listenerFilterRemoteClose: "downstream_listener_filter_remote_close"
    }
  }
  var kind: StatValue.Kind {
    self == .connectionActive || self == .preConnectionActive ? .gauge : .counter
  }
}

/// `listener_manager.`, as far as the workers know of it.
enum ListenerManagerStat: Int, StatSchema {
  case stopped
  var name: String { "listener_stopped" }
  var kind: StatValue.Kind { .counter }
}

/// `listener.<address>.worker_<n>.`
enum ListenerWorkerStat: Int, StatSchema {
  case connectionTotal, connectionActive
  var name: String { self == .connectionTotal ? "downstream_cx_total" : "downstream_cx_active" }
  var kind: StatValue.Kind { self == .connectionActive ? .gauge : .counter }
}

/// `http.<stat_prefix>.`
enum HTTPStat: Int, StatSchema {
  case connectionTotal, connectionActive, connectionHTTP1Total, connectionHTTP1Active,
    connectionDestroy, connectionDestroyLocal, connectionDestroyRemote,
    connectionDestroyActiveRequest, connectionDestroyLocalActiveRequest,
    connectionDestroyRemoteActiveRequest, connectionProtocolError,
    connectionIdleTimeout, connectionMaxDuration, connectionMaxRequests, connectionDrainClose,
    connectionDelayedCloseTimeout, bytesReceived, bytesSent,
    requestTotal, requestActive, requestHTTP1Total, requestCompleted,
    request1xx, request2xx, request3xx, request4xx, request5xx,
    requestTooLarge, requestResponseBeforeComplete, requestResetReceived, requestResetSent,
    requestTimeout, requestHeaderTimeout, requestIdleTimeout,
    requestFailedPathNormalization, requestRedirectedNormalized, requestMaxDuration,
    requestUpgradeNotAllowed, connectionUpgradesTotal, connectionUpgradesActive,
    requestDirectResponse, requestRedirect, noRoute, noCluster, requestRouted,
    redirectBadLocation, redirectNoRoute, redirectPredicate, redirectTooMany, redirectUnsafeScheme,
    flowPaused, flowResumed, requestRejectedByDetection, responseTooLarge, resetAfterResponseStarted
  var name: String {
    switch self {
    case .connectionTotal: "downstream_cx_total"
    case .connectionActive: "downstream_cx_active"
    case .connectionHTTP1Total: "downstream_cx_http1_total"
    case .connectionHTTP1Active: "downstream_cx_http1_active"
    case .connectionDestroy: "downstream_cx_destroy"
    case .connectionDestroyLocal: "downstream_cx_destroy_local"
    case .connectionDestroyRemote: "downstream_cx_destroy_remote"
    case .connectionDestroyActiveRequest: "downstream_cx_destroy_active_rq"
    case .connectionDestroyLocalActiveRequest: "downstream_cx_destroy_local_active_rq"
    case .connectionDestroyRemoteActiveRequest: "downstream_cx_destroy_remote_active_rq"
    case .connectionProtocolError: "downstream_cx_protocol_error"
    case .connectionIdleTimeout: "downstream_cx_idle_timeout"
    case .connectionMaxDuration: "downstream_cx_max_duration_reached"
    case .connectionMaxRequests: "downstream_cx_max_requests_reached"
    case .connectionDrainClose: "downstream_cx_drain_close"
    case .connectionDelayedCloseTimeout: "downstream_cx_delayed_close_timeout"
    case .bytesReceived: "downstream_cx_rx_bytes_total"
    case .bytesSent: "downstream_cx_tx_bytes_total"
    case .requestTotal: "downstream_rq_total"
    case .requestActive: "downstream_rq_active"
    case .requestHTTP1Total: "downstream_rq_http1_total"
    case .requestCompleted: "downstream_rq_completed"
    case .request1xx: "downstream_rq_1xx"
    case .request2xx: "downstream_rq_2xx"
    case .request3xx: "downstream_rq_3xx"
    case .request4xx: "downstream_rq_4xx"
    case .request5xx: "downstream_rq_5xx"
    case .requestTooLarge: "downstream_rq_too_large"
    case .requestResponseBeforeComplete: "downstream_rq_response_before_rq_complete"
    case .requestResetReceived: "downstream_rq_rx_reset"
    case .requestResetSent: "downstream_rq_tx_reset"
    case .requestTimeout: "downstream_rq_timeout"
    case .requestHeaderTimeout: "downstream_rq_header_timeout"
    case .requestIdleTimeout: "downstream_rq_idle_timeout"
    case .requestMaxDuration: "downstream_rq_max_duration_reached"
    case .requestUpgradeNotAllowed: "downstream_rq_ws_on_non_ws_route"
    case .connectionUpgradesTotal: "downstream_cx_upgrades_total"
    case .connectionUpgradesActive: "downstream_cx_upgrades_active"
    case .requestFailedPathNormalization: "downstream_rq_failed_path_normalization"
    case .requestRedirectedNormalized: "downstream_rq_redirected_with_normalized_path"
    case .requestDirectResponse: "rq_direct_response"
    case .requestRedirect: "rq_redirect"
    case .noRoute: "no_route"
    case .noCluster: "no_cluster"
    case .requestRouted: "rq_total"
    case .redirectBadLocation: "passthrough_internal_redirect_bad_location"
    case .redirectNoRoute: "passthrough_internal_redirect_no_route"
    case .redirectPredicate: "passthrough_internal_redirect_predicate"
    case .redirectTooMany: "passthrough_internal_redirect_too_many_redirects"
    case .redirectUnsafeScheme: "passthrough_internal_redirect_unsafe_scheme"
    case .flowPaused: "downstream_flow_control_paused_reading_total"
    case .flowResumed: "downstream_flow_control_resumed_reading_total"
    case .requestRejectedByDetection: "downstream_rq_rejected_via_ip_detection"
    case .responseTooLarge: "rs_too_large"
    case .resetAfterResponseStarted: "rq_reset_after_downstream_response_started"
    }
  }
  var kind: StatValue.Kind {
    switch self {
    case .connectionActive, .connectionHTTP1Active, .requestActive, .connectionUpgradesActive: .gauge
    default: .counter
    }
  }
}

/// `http1.`, the codec towards clients.
enum HTTP1CodecStat: Int, StatSchema {
  case droppedUnderscores, rejectedUnderscores
  var name: String {
    self == .droppedUnderscores
      ? "dropped_headers_with_underscores" : "requests_rejected_with_underscores_in_headers"
  }
  var kind: StatValue.Kind { .counter }
}

/// `listener.<address>.http.<stat_prefix>.`
enum ListenerHTTPStat: Int, StatSchema {
  case completed, status1xx, status2xx, status3xx, status4xx, status5xx
  var name: String {
    self == .completed ? "downstream_rq_completed" : "downstream_rq_\(rawValue)xx"
  }
  var kind: StatValue.Kind { .counter }
}

extension Counters<ListenerHTTPStat> {
  @inline(__always)
  func addStatus(_ status: Int) {
    add(.completed)
    add(ListenerHTTPStat(rawValue: Swift.min(Swift.max(status / 100, 1), 5)) ?? .status5xx)
  }
}

/// `cluster.<name>.` Completed requests by code stand in `ResponseCodes`.
enum ClusterStat: Int, StatSchema {
  case connectionTotal, connectionActive, connectionHTTP1Total, connectionConnectFail,
    connectionConnectTimeout, connectionDestroy, connectionDestroyLocal, connectionDestroyRemote,
    connectionDestroyWithActiveRequest, connectionDestroyLocalWithActiveRequest,
    connectionDestroyRemoteWithActiveRequest, connectionNoneHealthy,
    connectionMaxRequests, connectionProtocolError, connectionIdleTimeout, connectionBytesReceived,
    connectionBytesSent, connectAttemptsExceeded, connectionOverflow, connectionPoolOverflow,
    connectionMaxDuration,
    requestTotal, requestActive, requestPendingTotal, requestPendingActive,
    requestPendingFailureEject, requestCancelled, requestTimeout,
    requestReceiveReset, requestTransmitReset,
    requestActiveOverflow, requestPendingOverflow, requestRetryOverflow, requestRetry, requestRetrySuccess,
    requestRetryLimitExceeded, requestRetryExponential, requestRetryRateLimited, requestRetryAbandoned,
    requestPerTryTimeout, requestPerTryIdleTimeout, requestMaxDuration,
    membershipTotal, membershipHealthy, membershipDegraded, membershipExcluded, membershipChange,
    healthyPanic, originalDestinationInvalid, redirectSucceeded, redirectFailed, bindErrors,
    flowBackedUp, flowDrained, flowPaused, flowResumed
  var name: String {
    switch self {
    case .connectionTotal: "upstream_cx_total"
    case .connectionActive: "upstream_cx_active"
    case .connectionHTTP1Total: "upstream_cx_http1_total"
    case .connectionConnectFail: "upstream_cx_connect_fail"
    case .connectionConnectTimeout: "upstream_cx_connect_timeout"
    case .connectionDestroy: "upstream_cx_destroy"
    case .connectionDestroyLocal: "upstream_cx_destroy_local"
    case .connectionDestroyRemote: "upstream_cx_destroy_remote"
    case .connectionDestroyWithActiveRequest: "upstream_cx_destroy_with_active_rq"
    case .connectionDestroyLocalWithActiveRequest: "upstream_cx_destroy_local_with_active_rq"
    case .connectionDestroyRemoteWithActiveRequest: "upstream_cx_destroy_remote_with_active_rq"
    case .connectionNoneHealthy: "upstream_cx_none_healthy"
    case .connectionMaxRequests: "upstream_cx_max_requests"
    case .connectionProtocolError: "upstream_cx_protocol_error"
    case .connectionIdleTimeout: "upstream_cx_idle_timeout"
    case .connectionBytesReceived: "upstream_cx_rx_bytes_total"
    case .connectionBytesSent: "upstream_cx_tx_bytes_total"
    case .connectionOverflow: "upstream_cx_overflow"
    case .connectionPoolOverflow: "upstream_cx_pool_overflow"
    case .connectionMaxDuration: "upstream_cx_max_duration_reached"
    case .requestActiveOverflow: "upstream_rq_active_overflow"
    case .requestPendingOverflow: "upstream_rq_pending_overflow"
    case .requestRetryOverflow: "upstream_rq_retry_overflow"
    case .requestRetry: "upstream_rq_retry"
    case .requestRetrySuccess: "upstream_rq_retry_success"
    case .requestRetryLimitExceeded: "upstream_rq_retry_limit_exceeded"
    case .requestRetryExponential: "upstream_rq_retry_backoff_exponential"
    case .requestRetryRateLimited: "upstream_rq_retry_backoff_ratelimited"
    case .requestRetryAbandoned: "retry_or_shadow_abandoned"
    case .requestPerTryTimeout: "upstream_rq_per_try_timeout"
    case .requestPerTryIdleTimeout: "upstream_rq_per_try_idle_timeout"
    case .requestMaxDuration: "upstream_rq_max_duration_reached"
    case .membershipDegraded: "membership_degraded"
    case .membershipExcluded: "membership_excluded"
    case .membershipChange: "membership_change"
    case .healthyPanic: "lb_healthy_panic"
    case .originalDestinationInvalid: "original_dst_host_invalid"
    case .connectAttemptsExceeded: "upstream_cx_connect_attempts_exceeded"
    case .requestTotal: "upstream_rq_total"
    case .requestActive: "upstream_rq_active"
    case .requestPendingTotal: "upstream_rq_pending_total"
    case .requestPendingActive: "upstream_rq_pending_active"
    case .requestPendingFailureEject: "upstream_rq_pending_failure_eject"
    case .requestCancelled: "upstream_rq_cancelled"
    case .requestTimeout: "upstream_rq_timeout"
    case .requestReceiveReset: "upstream_rq_rx_reset"
    case .requestTransmitReset: "upstream_rq_tx_reset"
    case .membershipTotal: "membership_total"
    case .redirectSucceeded: "upstream_internal_redirect_succeeded_total"
    case .redirectFailed: "upstream_internal_redirect_failed_total"
    case .membershipHealthy: "membership_healthy"
    case .bindErrors: "bind_errors"
    case .flowBackedUp: "upstream_flow_control_backed_up_total"
    case .flowDrained: "upstream_flow_control_drained_total"
    case .flowPaused: "upstream_flow_control_paused_reading_total"
    case .flowResumed: "upstream_flow_control_resumed_reading_total"
    }
  }
  var kind: StatValue.Kind {
    switch self {
    case .connectionActive, .requestActive, .requestPendingActive, .membershipTotal,
      .membershipHealthy, .membershipDegraded, .membershipExcluded:
      .gauge
    default: .counter
    }
  }
}

/// `vhost.<host>.vcluster.<name>.` and `vhost.<host>.route.<name>.`
enum RouteStat: Int, StatSchema {
  case retry, retryLimitExceeded, retryOverflow, retrySuccess, timeout, total
  var name: String {
    switch self {
    case .retry: "upstream_rq_retry"
    case .retryLimitExceeded: "upstream_rq_retry_limit_exceeded"
    case .retryOverflow: "upstream_rq_retry_overflow"
    case .retrySuccess: "upstream_rq_retry_success"
    case .timeout: "upstream_rq_timeout"
    case .total: "upstream_rq_total"
    }
  }
  var kind: StatValue.Kind { .counter }
}

/// Per endpoint, on `/clusters`.
enum EndpointStat: Int, StatSchema {
  case connectionActive, connectionConnectFail, connectionTotal, requestActive, requestError,
    requestPendingActive, requestSuccess, requestTimeout, requestTotal
  var name: String { "\(label)" }
  var label: StaticString {
    switch self {
    case .connectionActive: "cx_active"
    case .connectionConnectFail: "cx_connect_fail"
    case .connectionTotal: "cx_total"
    case .requestActive: "rq_active"
    case .requestError: "rq_error"
    case .requestPendingActive: "rq_pending_active"
    case .requestSuccess: "rq_success"
    case .requestTimeout: "rq_timeout"
    case .requestTotal: "rq_total"
    }
  }
  var kind: StatValue.Kind {
    switch self {
    case .connectionActive, .requestActive, .requestPendingActive: .gauge
    default: .counter
    }
  }
}

/// `tcp.<stat_prefix>.`
enum TCPStat: Int, StatSchema {
  case connectionTotal, connectionNoRoute, bytesReceived, bytesSent, idleTimeout, maxDuration,
    flowPaused, flowResumed
  var name: String {
    switch self {
    case .connectionTotal: "downstream_cx_total"
    case .connectionNoRoute: "downstream_cx_no_route"
    case .bytesReceived: "downstream_cx_rx_bytes_total"
    case .bytesSent: "downstream_cx_tx_bytes_total"
    case .idleTimeout: "idle_timeout"
    case .maxDuration: "max_downstream_connection_duration"
    case .flowPaused: "downstream_flow_control_paused_reading_total"
    case .flowResumed: "downstream_flow_control_resumed_reading_total"
    }
  }
  var kind: StatValue.Kind { .counter }
}

/// `connection_limit.<stat_prefix>.`
enum ConnectionLimitStat: Int, StatSchema {
  case limited, active
  var name: String { self == .limited ? "limited_connections" : "active_connections" }
  var kind: StatValue.Kind { self == .active ? .gauge : .counter }
}

/// `proxy_proto.`
enum ProxyProtocolStat: Int, StatSchema {
  case notFoundAllowed, notFoundDisallowed, v1Found, v1Disallowed, v1Error, v2Found, v2Disallowed,
    v2Error
  var name: String {
    switch self {
    case .notFoundAllowed: "not_found_allowed"
    case .notFoundDisallowed: "not_found_disallowed"
    case .v1Found: "versions.v1.found"
    case .v1Disallowed: "versions.v1.disallowed"
    case .v1Error: "versions.v1.error"
    case .v2Found: "versions.v2.found"
    case .v2Disallowed: "versions.v2.disallowed"
    case .v2Error: "versions.v2.error"
    }
  }
  var kind: StatValue.Kind { .counter }
}
