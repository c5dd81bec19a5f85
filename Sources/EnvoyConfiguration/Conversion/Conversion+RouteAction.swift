// What a route does: send to a cluster, redirect, or answer. What it changes on the way to a cluster
// stands in Conversion+Rewrite.swift, which clusters in Conversion+ClusterTarget.swift.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func routeAction(
    _ message: Envoy_Config_Route_V3_RouteAction, of match: RouteMatch?, _ rules: RouteRules,
    at place: Place
  ) -> RouteAction? {
    let choice = clusterChoice(message, rules, at: place)
    // The proto file requires a cluster; where it was refused the rest is looked at all the same.
    var action = RouteAction(cluster: choice ?? .single(""))
    action.pathRewrite = pathRewrite(message, of: match, at: place)
    action.hostRewrite = hostRewrite(message, at: place)
    action.appendsForwardedHost = message.appendXForwardedHost
    action.hashPolicies = message.hashPolicy.enumerated().compactMap { index, policy in
      hashPolicy(policy, at: place.field("hash_policy").element(index))
    }
    if !message.requestMirrorPolicies.isEmpty {
      action.mirrors = mirrors(
        message.requestMirrorPolicies, rules, at: place.field("request_mirror_policies"))
    }
    if message.hasInternalRedirectPolicy {
      action.internalRedirect = internalRedirect(
        message.internalRedirectPolicy, at: place.field("internal_redirect_policy"))
    }
    action.timeout = timeout(message.timeout, isSet: message.hasTimeout, absent: .seconds(15))
    if message.hasRetryPolicy {
      action.retryPolicy = retryPolicy(message.retryPolicy, at: place.field("retry_policy"))
    }
    action.hedgesOnPerTryTimeout = message.hedgePolicy.hedgeOnPerTryTimeout
    if message.hasIdleTimeout {
      action.idleTimeout = .some(timeout(message.idleTimeout, isSet: true))
    }
    action.priority = priority(message.priority)
    action.rateLimits = rateLimits(message.rateLimits, at: place.field("rate_limits"))
    action.includesVirtualHostRateLimits = message.includeVhRateLimits.value
    action.upgrades = upgrades(
      message.upgradeConfigs.map { ($0.upgradeType, $0.hasEnabled ? $0.enabled.value : true) },
      at: place.field("upgrade_configs"))
    action.connect = connectTermination(
      message.upgradeConfigs, at: place.field("upgrade_configs"))
    action.streamDuration = streamDuration(message)
    action.clusterNotFoundStatus =
      switch message.clusterNotFoundResponseCode {
      case .notFound: 404
      case .internalServerError: 500
      default: 503
      }
    return choice == nil ? nil : action
  }

  private func connectTermination(
    _ messages: [Envoy_Config_Route_V3_RouteAction.UpgradeConfig], at place: Place
  ) -> RouteAction.ConnectTermination? {
    var result: RouteAction.ConnectTermination?
    for (index, message) in messages.enumerated() where message.hasConnectConfig {
      guard message.upgradeType.lowercased() == "connect" else {
        error("is for the upgrade type CONNECT alone", at: place.element(index).field("connect_config"))
        continue
      }
      var connect = RouteAction.ConnectTermination()
      connect.takesPost = message.connectConfig.allowPost
      result = connect
    }
    return result
  }

  private func clusterChoice(
    _ message: Envoy_Config_Route_V3_RouteAction, _ rules: RouteRules, at place: Place
  ) -> RouteAction.ClusterChoice? {
    switch message.clusterSpecifier {
    case .cluster(let name)?:
      if rules.validatesClusters { checkCluster(name, at: place.field("cluster")) }
      return .single(name)
    case .clusterHeader(let name)?: return .header(name.lowercased())
    case .weightedClusters(let weighted)?:
      return .weighted(self.weighted(weighted, rules, at: place.field("weighted_clusters")))
    case nil: return nil  // required by the proto file
    }
  }

  func redirect(_ message: Envoy_Config_Route_V3_RedirectAction, at place: Place) -> Redirect {
    var redirect = Redirect()
    switch message.schemeRewriteSpecifier {
    case .httpsRedirect(true)?: redirect.scheme = .https
    case .schemeRedirect(let scheme)? where !scheme.isEmpty: redirect.scheme = .literal(scheme)
    default: break
    }
    if !message.hostRedirect.isEmpty { redirect.host = message.hostRedirect }
    if message.portRedirect > 65535 {
      error(
        "expected a number from 0 to 65535, found \(message.portRedirect)",
        at: place.field("port_redirect"))
    }
    if message.portRedirect != 0 { redirect.port = UInt16(clamping: message.portRedirect) }
    switch message.pathRewriteSpecifier {
    case .pathRedirect(let path)? where !path.isEmpty: redirect.path = .replace(path)
    case .prefixRewrite(let prefix)? where !prefix.isEmpty: redirect.path = .prefixRewrite(prefix)
    case .regexRewrite(let regex)?:
      redirect.path = regexSubstitution(regex, at: place.field("regex_rewrite")).map { .regex($0) }
    default: break
    }
    redirect.status =
      switch message.responseCode {
      case .found: 302
      case .seeOther: 303
      case .temporaryRedirect: 307
      case .permanentRedirect: 308
      default: 301
      }
    redirect.stripQuery = message.stripQuery
    return redirect
  }

  func directResponse(
    _ message: Envoy_Config_Route_V3_DirectResponseAction, _ rules: RouteRules, at place: Place
  ) -> DirectResponse? {
    var response = DirectResponse(status: Int(message.status), body: [])
    if message.hasBodyFormat {
      response.bodyFormat = format(message.bodyFormat, at: place.field("body_format"))
    }
    if message.hasBody {
      guard let body = bytes(message.body, limit: rules.maxBody, at: place.field("body")) else {
        return nil
      }
      response.body = body
    }
    return response
  }
}
