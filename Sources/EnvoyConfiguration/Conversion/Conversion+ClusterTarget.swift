// To which clusters a route sends requests and copies of them, and by what it chooses.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func weighted(
    _ message: Envoy_Config_Route_V3_WeightedCluster, _ rules: RouteRules, at place: Place
  ) -> ClusterWeights {
    var total: UInt64 = 0
    let clusters = place.field("clusters")
    let entries = message.clusters.enumerated().compactMap { index, cluster in
      let entryPlace = clusters.element(index)
      if !cluster.hasWeight { error("is required", at: entryPlace.field("weight")) }
      total += UInt64(cluster.weight.value)
      let target = clusterTarget(
        name: cluster.name, header: cluster.clusterHeader, rules, at: entryPlace)
      guard let target else { return nil as ClusterWeights.Entry? }
      var entry = ClusterWeights.Entry(target, weight: cluster.weight.value)
      if !cluster.hostRewriteLiteral.isEmpty { entry.hostRewrite = cluster.hostRewriteLiteral }
      entry.headerRules.request = headerMutations(
        add: cluster.requestHeadersToAdd, remove: cluster.requestHeadersToRemove, at: entryPlace,
        "request")
      entry.headerRules.response = headerMutations(
        add: cluster.responseHeadersToAdd, remove: cluster.responseHeadersToRemove, at: entryPlace,
        "response")
      entry.filters = routeFilters(
        cluster.typedPerFilterConfig, at: entryPlace.field("typed_per_filter_config"))
      return entry
    }
    if total == 0, !clusters.isDoubtful { error("the weights must add up to 1 or more", at: clusters) }
    if total > UInt64(UInt32.max) {
      error("the weights add up to more than \(UInt32.max)", at: clusters)
    }
    var weights = ClusterWeights(entries)
    weights.runtimeKeyPrefix = message.runtimeKeyPrefix
    if !message.runtimeKeyPrefix.isEmpty {
      for cluster in message.clusters { runtime.use("\(message.runtimeKeyPrefix).\(cluster.name)") }
    }
    switch message.randomValueSpecifier {
    case .headerName(let name)? where !name.isEmpty: weights.draw = .header(name.lowercased())
    case .useHashPolicy(let flag)? where flag.value: weights.draw = .hash
    default: break
    }
    return weights
  }

  /// A cluster by its name, which must exist, or by a header.
  private func clusterTarget(
    name: String, header: String, _ rules: RouteRules, nameField: String = "name", at place: Place
  ) -> ClusterWeights.Target? {
    let namePlace = place.field(nameField)
    if namePlace.isRefused || place.field("cluster_header").isRefused { return nil }
    if !name.isEmpty, !header.isEmpty {
      error("one of `\(nameField)` and `cluster_header` may be given", at: place)
    }
    if !header.isEmpty { return .header(header.lowercased()) }
    if name.isEmpty {
      error("one of `\(nameField)`, `cluster_header` is required", at: place)
      return nil
    }
    if rules.validatesClusters { checkCluster(name, at: namePlace) }
    return .name(name)
  }

  func mirrors(
    _ messages: [Envoy_Config_Route_V3_RouteAction.RequestMirrorPolicy], _ rules: RouteRules,
    at place: Place
  ) -> [MirrorPolicy] {
    messages.enumerated().compactMap { index, message in
      let target = clusterTarget(
        name: message.cluster, header: message.clusterHeader, rules, nameField: "cluster",
        at: place.element(index))
      guard let target else { return nil }
      var policy = MirrorPolicy(cluster: target)
      if message.hasRuntimeFraction { policy.fraction = runtimeFraction(message.runtimeFraction) }
      policy.appendsSuffix = !message.disableShadowHostSuffixAppend
      if !message.hostRewriteLiteral.isEmpty { policy.host = message.hostRewriteLiteral }
      policy.headerChanges = headerChanges(
        message.requestHeadersMutations,
        at: place.element(index).field("request_headers_mutations"))
      return policy
    }
  }

  func hashPolicy(
    _ message: Envoy_Config_Route_V3_RouteAction.HashPolicy, at place: Place
  ) -> HashPolicy? {
    let source: HashPolicy.Source
    switch message.policySpecifier {
    case .header(let header)?:
      var rewrite: RegexSubstitution?
      if header.hasRegexRewrite {
        rewrite = regexSubstitution(
          header.regexRewrite, at: place.field("header").field("regex_rewrite"))
      }
      source = .header(header.headerName.lowercased(), rewrite)
    case .cookie(let cookie)?: source = .cookie(cookie.name)
    case .connectionProperties(let properties)?:
      // Without a property it asks for nothing.
      if !properties.sourceIp { return nil }
      source = .sourceIP
    case .queryParameter(let parameter)?: source = .queryParameter(parameter.name)
    case nil: return nil  // required by the proto file
    }
    var policy = HashPolicy(source)
    policy.isTerminal = message.terminal
    return policy
  }
}
