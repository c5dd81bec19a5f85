// The HTTP connection manager: its codec, limits, timeouts, route table and HTTP filters.

internal import Model

private typealias Message =
  Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

extension ConfigurationExtension where Output == NetworkFilter {
  static var httpConnectionManager: Self {
    Self(Message.self) { message, conversion, place in
      // Routes speak of the chain's filters.
      conversion.managerPrefix = message.statPrefix
      conversion.chain = [:]
      for filter in message.httpFilters {
        if let found = Conversion.pluginFilter(filter.typedConfig) { conversion.chain[filter.name] = found }
      }
      // The proto file requires one; where it was refused the rest is looked at all the same.
      let routes = conversion.routeConfiguration(
        message.routeConfig, at: place.field("route_config"))
      var manager = HTTPConnectionManager(statPrefix: message.statPrefix, routes: routes)
      conversion.readCodec(message, into: &manager, at: place)
      conversion.readTimeouts(message, into: &manager)
      conversion.readSanitizing(message, into: &manager, at: place)
      conversion.readHTTPFilters(message, into: &manager, at: place.field("http_filters"))
      conversion.readLogs(message, into: &manager, at: place)
      return .httpConnectionManager(manager)
    }
  }
}

extension Conversion {
  fileprivate func readLogs(
    _ message: Message, into manager: inout HTTPConnectionManager, at place: Place
  ) {
    manager.accessLogs = accessLogs(message.accessLog, at: place.field("access_log"))
    if message.hasLocalReplyConfig {
      manager.localReplies = localReplies(
        message.localReplyConfig, at: place.field("local_reply_config"))
    }
    if message.hasAccessLogFlushInterval {
      manager.accessLogTiming.interval = Duration(message.accessLogFlushInterval)
    }
    manager.accessLogTiming.onStart = message.flushAccessLogOnNewRequest
    guard message.hasAccessLogOptions else { return }
    let options = message.accessLogOptions
    if message.hasAccessLogFlushInterval || message.flushAccessLogOnNewRequest {
      error(
        "`access_log_flush_interval` and `flush_access_log_on_new_request` stand here now",
        at: place.field("access_log_options"))
    }
    manager.accessLogTiming.onStart = options.flushAccessLogOnNewRequest
    manager.accessLogTiming.onTunnel = options.flushLogOnTunnelSuccessfullyEstablished
    manager.accessLogTiming.interval =
      options.hasAccessLogFlushInterval ? Duration(options.accessLogFlushInterval) : nil
  }

  fileprivate func readCodec(
    _ message: Message, into manager: inout HTTPConnectionManager, at place: Place
  ) {
    manager.codec = message.codecType == .http1 ? .http1 : .auto
    if !message.serverName.isEmpty { manager.serverName = message.serverName }
    manager.serverHeaderTransformation =
      switch message.serverHeaderTransformation {
      case .appendIfAbsent: .appendIfAbsent
      case .passThrough: .passThrough
      default: .overwrite
      }
    if message.hasHTTPProtocolOptions {
      manager.http1 = http1Options(
        message.httpProtocolOptions, at: place.field("http_protocol_options"))
    }
    if message.hasMaxRequestHeadersKb {
      manager.maxRequestHeadersBytes = Int(message.maxRequestHeadersKb.value) << 10
    }
    let common = message.commonHTTPProtocolOptions
    let commonPlace = place.field("common_http_protocol_options")
    if common.hasMaxHeadersCount { manager.maxRequestHeaders = Int(common.maxHeadersCount.value) }
    if common.hasMaxResponseHeadersKb {
      error("it has a meaning only in a cluster", at: commonPlace.field("max_response_headers_kb"))
    }
    if common.hasMaxRequestsPerConnection {
      manager.maxRequestsPerConnection = limit(common.maxRequestsPerConnection)
    }
    manager.maxConnectionDuration = timeout(
      common.maxConnectionDuration, isSet: common.hasMaxConnectionDuration)
    manager.idleTimeout = timeout(
      common.idleTimeout, isSet: common.hasIdleTimeout, absent: .seconds(3600))
  }

  fileprivate func readTimeouts(_ message: Message, into manager: inout HTTPConnectionManager) {
    manager.streamIdleTimeout = timeout(
      message.streamIdleTimeout, isSet: message.hasStreamIdleTimeout, absent: .seconds(300))
    manager.requestTimeout = timeout(message.requestTimeout, isSet: message.hasRequestTimeout)
    manager.requestHeadersTimeout = timeout(
      message.requestHeadersTimeout, isSet: message.hasRequestHeadersTimeout)
    if message.hasDrainTimeout { manager.drainTimeout = Duration(message.drainTimeout) }
    manager.delayedCloseTimeout = timeout(
      message.delayedCloseTimeout, isSet: message.hasDelayedCloseTimeout, absent: .seconds(1))
  }

  /// Filters of plugins, and the router, which ends the chain.
  fileprivate func readHTTPFilters(
    _ message: Message, into manager: inout HTTPConnectionManager, at place: Place
  ) {
    guard !message.httpFilters.isEmpty else {
      if place.isDoubtful { return }
      error(
        "the router is missing: expected the filter envoy.filters.http.router as the last one",
        at: place)
      return
    }
    let found = httpFilters(message.httpFilters, managerPrefix: message.statPrefix, at: place)
    manager.filters = found.filters
    manager.suppressEnvoyHeaders = found.router?.suppressEnvoyHeaders ?? false
  }
}
