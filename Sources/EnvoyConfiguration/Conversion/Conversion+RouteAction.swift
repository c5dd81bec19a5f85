// What a route does: send to a cluster, redirect, or answer.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func routeAction(
    _ message: Envoy_Config_Route_V3_RouteAction, _ rules: RouteRules, at place: Place
  ) -> RouteAction? {
    let choice = clusterChoice(message, rules, at: place)
    // The proto file requires a cluster; where it was refused the rest is looked at all the same.
    var action = RouteAction(cluster: choice ?? .single(""))
    if !message.prefixRewrite.isEmpty { action.prefixRewrite = message.prefixRewrite }
    action.timeout = timeout(message.timeout, isSet: message.hasTimeout, absent: .seconds(15))
    if message.hasRetryPolicy {
      action.retryPolicy = retryPolicy(message.retryPolicy, at: place.field("retry_policy"))
    }
    if message.hasIdleTimeout {
      action.idleTimeout = .some(timeout(message.idleTimeout, isSet: true))
    }
    action.priority = priority(message.priority)
    action.clusterNotFoundStatus =
      switch message.clusterNotFoundResponseCode {
      case .notFound: 404
      case .internalServerError: 500
      default: 503
      }
    return choice == nil ? nil : action
  }

  private func clusterChoice(
    _ message: Envoy_Config_Route_V3_RouteAction, _ rules: RouteRules, at place: Place
  ) -> RouteAction.ClusterChoice? {
    switch message.clusterSpecifier {
    case .cluster(let name)?:
      if rules.validatesClusters { checkCluster(name, at: place.field("cluster")) }
      return .single(name)
    case .weightedClusters(let weighted)?:
      return .weighted(self.weighted(weighted, rules, at: place.field("weighted_clusters")))
    case nil: return nil  // required by the proto file
    }
  }

  private func weighted(
    _ message: Envoy_Config_Route_V3_WeightedCluster, _ rules: RouteRules, at place: Place
  ) -> [TCPProxy.Weighted] {
    var total: UInt64 = 0
    var result: [TCPProxy.Weighted] = []
    for (index, cluster) in message.clusters.enumerated() {
      let name = place.field("clusters").element(index).field("name")
      if name.isRefused {
        // Said already.
      } else if cluster.name.isEmpty {
        error("is required", at: name)
      } else if rules.validatesClusters {
        checkCluster(cluster.name, at: name)
      }
      if !cluster.hasWeight {
        error("is required", at: place.field("clusters").element(index).field("weight"))
      }
      total += UInt64(cluster.weight.value)
      result.append(TCPProxy.Weighted(cluster: cluster.name, weight: cluster.weight.value))
    }
    let clusters = place.field("clusters")
    if total == 0, !clusters.isDoubtful { error("the weights must add up to 1 or more", at: clusters) }
    if total > UInt64(UInt32.max) {
      error("the weights add up to more than \(UInt32.max)", at: place.field("clusters"))
    }
    return result
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
