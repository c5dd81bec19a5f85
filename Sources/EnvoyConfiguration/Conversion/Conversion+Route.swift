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
    let ownRetries = message.hasRetryPolicy
      ? retryPolicy(message.retryPolicy, at: place.field("retry_policy")) : nil
    let routes = message.routes.enumerated().compactMap { index, route in
      self.route(route, rules, at: place.field("routes").element(index))
        .map { inheriting(ownRetries, by: $0) }
    }
    var host = VirtualHost(
      name: message.name, domains: message.domains.map { $0.lowercased() }, routes: routes)
    host.metadata = metadata(message.metadata, at: place.field("metadata"))
    host.requireTLS =
      switch message.requireTls {
      case .externalOnly: .externalOnly
      case .all: .all
      default: .none
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

  private func inheriting(_ policy: RetryPolicy?, by route: Route) -> Route {
    guard let policy, case .cluster(var action) = route.action, action.retryPolicy == nil else {
      return route
    }
    var route = route
    action.retryPolicy = policy
    route.action = .cluster(action)
    return route
  }

  private func route(_ message: Envoy_Config_Route_V3_Route, _ rules: RouteRules, at place: Place)
    -> Route?
  {
    let match = routeMatch(message.match, at: place.field("match"))
    let action: Route.Action?
    switch message.action {
    case .route(let route)?:
      action = routeAction(route, of: match, rules, at: place.field("route")).map { .cluster($0) }
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
    route.headerRules.request = headerMutations(
      add: message.requestHeadersToAdd, remove: message.requestHeadersToRemove, at: place, "request")
    route.headerRules.response = headerMutations(
      add: message.responseHeadersToAdd, remove: message.responseHeadersToRemove, at: place, "response")
    return route
  }
}

/// What a route table says of all its routes.
struct RouteRules {
  var validatesClusters: Bool
  /// Bytes of a direct response's body.
  var maxBody: Int
}
