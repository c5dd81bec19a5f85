// Route tables, virtual hosts and routes.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func routeConfiguration(
    _ table: Envoy_Config_Route_V3_RouteConfiguration, at place: Place
  ) -> RouteConfiguration {
    let rules = RouteRules(
      validatesClusters: table.hasValidateClusters ? table.validateClusters.value : true,
      maxBody: table.hasMaxDirectResponseBodySizeBytes
        ? Int(table.maxDirectResponseBodySizeBytes.value) : 4096)
    let hosts = place.field("virtual_hosts")
    var domains: [String: (host: Int, name: String)] = [:]
    let virtualHosts = table.virtualHosts.enumerated().map { index, message in
      let hostPlace = hosts.element(index)
      for (number, text) in message.domains.enumerated() {
        let domain = text.lowercased()
        let domainPlace = hostPlace.field("domains").element(number)
        check(domain: domain, at: domainPlace)
        if let other = domains[domain] {
          error(
            "the domain \"\(domain)\" is taken by the virtual host \"\(other.name)\" at index \(other.host)",
            at: domainPlace)
        }
        domains[domain] = (index, message.name)
      }
      return virtualHost(message, rules, at: hostPlace)
    }
    var configuration = RouteConfiguration(name: table.name, virtualHosts: virtualHosts)
    configuration.ignorePortInHostMatching = table.ignorePortInHostMatching
    configuration.ignorePathParameters = table.ignorePathParametersInPathMatching
    configuration.internalOnlyHeaders = table.internalOnlyHeaders.map { $0.lowercased() }
    configuration.virtualHostHeader = table.vhostHeader.lowercased()
    configuration.mirrors = mirrors(
      table.requestMirrorPolicies, rules, at: place.field("request_mirror_policies"))
    configuration.filters = routeFilters(
      table.typedPerFilterConfig, at: place.field("typed_per_filter_config"))
    configuration.mostSpecificHeaderMutationsWins = table.mostSpecificHeaderMutationsWins
    configuration.headerRules.request = headerMutations(
      add: table.requestHeadersToAdd, remove: table.requestHeadersToRemove, at: place, "request")
    configuration.headerRules.response = headerMutations(
      add: table.responseHeadersToAdd, remove: table.responseHeadersToRemove, at: place, "response")
    return configuration
  }

  /// `*`, `*suffix`, `prefix*` or a name without a star.
  private func check(domain: String, at place: Place) {
    if domain.isEmpty {
      error("must not be empty", at: place)
    } else if domain != "*" {
      let stars = domain.count { $0 == "*" }
      if stars > 1 || (stars == 1 && !domain.hasPrefix("*") && !domain.hasSuffix("*")) {
        error("a domain has one `*` at most, at its begin or its end", at: place)
      }
    }
  }

  private func virtualHost(
    _ message: Envoy_Config_Route_V3_VirtualHost, _ rules: RouteRules, at place: Place
  ) -> VirtualHost {
    let inherited = inheritance(message, at: place)
    let routes = message.routes.enumerated().compactMap { index, route in
      self.route(route, rules, inherited, at: place.field("routes").element(index))
    }
    var host = VirtualHost(
      name: message.name, domains: message.domains.map { $0.lowercased() }, routes: routes)
    host.metadata = metadata(message.metadata, at: place.field("metadata"))
    host.filters = routeFilters(
      message.typedPerFilterConfig, at: place.field("typed_per_filter_config"))
    host.rateLimits = rateLimits(message.rateLimits, at: place.field("rate_limits"))
    host.requireTLS =
      switch message.requireTls {
      case .externalOnly: .externalOnly
      case .all: .all
      default: .none
      }
    host.virtualClusters = message.virtualClusters.enumerated().map { index, cluster in
      virtualCluster(cluster, at: place.field("virtual_clusters").element(index))
    }
    if !message.requestMirrorPolicies.isEmpty {
      host.mirrors = mirrors(
        message.requestMirrorPolicies, rules, at: place.field("request_mirror_policies"))
    }
    host.headerRules.request = headerMutations(
      add: message.requestHeadersToAdd, remove: message.requestHeadersToRemove, at: place, "request")
    host.headerRules.response = headerMutations(
      add: message.responseHeadersToAdd, remove: message.responseHeadersToRemove, at: place, "response")
    return host
  }

  private func virtualCluster(
    _ message: Envoy_Config_Route_V3_VirtualCluster, at place: Place
  ) -> VirtualCluster {
    let headers = place.field("headers")
    if message.headers.isEmpty { error("at least one is required", at: headers) }
    return VirtualCluster(
      name: message.name,
      headers: message.headers.enumerated().compactMap { headerMatcher($1, at: headers.element($0)) })
  }

  private func inheritance(
    _ message: Envoy_Config_Route_V3_VirtualHost, at place: Place
  ) -> RouteInheritance {
    var inherited = RouteInheritance()
    if message.hasRetryPolicy {
      inherited.retryPolicy = retryPolicy(message.retryPolicy, at: place.field("retry_policy"))
    }
    inherited.hedgesOnPerTryTimeout = message.hedgePolicy.hedgeOnPerTryTimeout
    inherited.attemptHeaders.countsInRequest = message.includeRequestAttemptCount
    inherited.attemptHeaders.countsInResponse = message.includeAttemptCountInResponse
    inherited.attemptHeaders.tellsTimeouts = message.includeIsTimeoutRetryHeader
    if message.hasRequestBodyBufferLimit { inherited.bodyLimit = message.requestBodyBufferLimit.value }
    if message.hasPerRequestBufferLimitBytes {
      inherited.oldBodyLimit = UInt64(message.perRequestBufferLimitBytes.value)
    }
    return inherited
  }

  private func route(
    _ message: Envoy_Config_Route_V3_Route, _ rules: RouteRules, _ inherited: RouteInheritance,
    at place: Place
  ) -> Route? {
    let match = routeMatch(message.match, at: place.field("match"))
    let action: Route.Action?
    switch message.action {
    case .route(let route)?:
      action = routeAction(route, of: match, rules, at: place.field("route")).map {
        .cluster(inherited.applied(to: $0, of: message))
      }
    case .redirect(let redirect)?:
      action = .redirect(self.redirect(redirect, at: place.field("redirect")))
    case .directResponse(let response)?:
      action = directResponse(response, rules, at: place.field("direct_response")).map {
        .directResponse($0)
      }
    case .nonForwardingAction?: action = .nonForwarding
    case nil: action = nil  // required by the proto file
    }
    guard let match, let action else { return nil }
    var route = Route(name: message.name, match: match, action: action)
    route.metadata = metadata(message.metadata, at: place.field("metadata"))
    route.filters = routeFilters(
      message.typedPerFilterConfig, at: place.field("typed_per_filter_config"))
    route.statPrefix = message.statPrefix
    route.headerRules.request = headerMutations(
      add: message.requestHeadersToAdd, remove: message.requestHeadersToRemove, at: place, "request")
    route.headerRules.response = headerMutations(
      add: message.responseHeadersToAdd, remove: message.responseHeadersToRemove, at: place, "response")
    return route
  }
}

/// What a virtual host says for routes that say nothing themselves.
private struct RouteInheritance {
  var retryPolicy: RetryPolicy?
  var hedgesOnPerTryTimeout = false
  var attemptHeaders = AttemptHeaders()
  /// `request_body_buffer_limit`, which goes before the older field wherever that stands.
  var bodyLimit: UInt64?
  /// `per_request_buffer_limit_bytes`.
  var oldBodyLimit: UInt64?

  func applied(to action: RouteAction, of route: Envoy_Config_Route_V3_Route) -> RouteAction {
    var action = action
    if action.retryPolicy == nil { action.retryPolicy = retryPolicy }
    if !route.route.hasHedgePolicy { action.hedgesOnPerTryTimeout = hedgesOnPerTryTimeout }
    action.attemptHeaders = attemptHeaders
    let limit = route.hasRequestBodyBufferLimit ? route.requestBodyBufferLimit.value : bodyLimit
    let oldLimit =
      route.hasPerRequestBufferLimitBytes ? UInt64(route.perRequestBufferLimitBytes.value) : oldBodyLimit
    action.bodyLimit = limit ?? oldLimit
    return action
  }
}

/// What a route table says of all its routes.
struct RouteRules {
  var validatesClusters: Bool
  /// Bytes of a direct response's body.
  var maxBody: Int
}
