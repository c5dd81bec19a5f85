// One route: what it matches and what it does, with everything resolved that can be before a
// request comes.
import Model

final class RouteRuntime {
  enum Action {
    case cluster(RouteActionRuntime)
    case redirect(Redirection)
    case directResponse(DirectResponse)
    case nonForwarding
  }

  let name: String
  let nameText: OwnedText
  let metadata: MetadataTree?
  let path: PathMatcher
  private let conditions: RouteConditions?
  let action: Action
  /// Nil where neither the route nor what it belongs to changes headers.
  let headerRules: RouteHeaderRules?
  /// Nil: the route is not counted by itself.
  let statistics: RouteStatistics?
  /// What the formats of the route need to be recorded.
  let formatNeeds: FormatNeeds
  /// Of a direct response's body (nil: as it is).
  private(set) var replyFormat: FormatProgram?
  /// What it and what it belongs to say about filters of the chain (nil: nothing).
  private(set) var filters: RouteFilterTable?

  /// `mirrors`: where the route has none itself; `outer`: the rules of the virtual host and of the
  /// route table.
  init(
    model: Route, host: String = "", mirrors: [MirrorPolicy] = [], outer: [HeaderRuleSet] = [],
    mostSpecificWins: Bool = false, context: WorkerContext, clusters: (String) -> ClusterRuntime?
  ) {
    let levels = [model.headerRules] + outer
    headerRules = RouteHeaderRules.compile(
      levels, mostSpecificWins: mostSpecificWins, names: context.names)
    statistics =
      model.statPrefix.isEmpty
      ? nil : RouteStatistics(.route(host: host, name: model.statPrefix), context: context)
    var needs = headerRules?.needs ?? []
    name = model.name
    nameText = OwnedText(model.name)
    metadata = MetadataTree(model.metadata)
    path = PathMatcher(model.match.path, caseSensitive: model.match.caseSensitive)
    conditions = RouteConditions(model.match, context: context)
    switch model.action {
    case .cluster(let action):
      let rules = HeaderRuleLevels(outer: levels, mostSpecificWins: mostSpecificWins)
      let made = RouteActionRuntime(
        model: action, mirrors: mirrors, rules: rules, context: context, clusters: clusters)
      needs.formUnion(made.formatNeeds)
      self.action = .cluster(made)
    case .redirect(let redirect): action = .redirect(Redirection(redirect))
    case .directResponse(let response):
      action = .directResponse(response)
      replyFormat = response.bodyFormat.map { FormatProgram($0, names: context.names) }
    case .nonForwarding: action = .nonForwarding
    }
    formatNeeds = needs
  }

  /// `outer`: of the virtual host and of the route table.
  func compileFilters(_ model: Route, outer: [RouteFilters], chain: [String]) {
    filters = RouteFilterTable(chain: chain, levels: [model.filters] + outer)
    if case .cluster(let own) = action, let weights = own.weights, case .cluster(let action) = model.action,
      case .weighted(let entries) = action.cluster
    {
      weights.compileFilters(entries, outer: [model.filters] + outer, chain: chain)
    }
  }

  var asksForStored: Bool { conditions?.asksForStored ?? false }

  @inline(__always)
  func matches(_ lookup: inout RouteLookup) -> Bool {
    path.matches(lookup) && conditionsHold(&lookup)
  }

  @inline(__always)
  func conditionsHold(_ lookup: inout RouteLookup) -> Bool {
    guard let conditions else { return true }
    return conditions.hold(&lookup)
  }
}

/// Where a route sends requests, and how it changes them.
final class RouteActionRuntime {
  let pathRewriter: PathRewriter?
  let hostRewriter: HostRewriter?
  /// Nil: there is one cluster, `target`.
  let weights: WeightedChoice?
  let target: ClusterTarget
  let hashPolicies: HashPolicies?
  let internalRedirect: InternalRedirection?
  let mirrors: [MirrorRuntime]
  /// Nil: there are none.
  let rateLimits: RateLimitRules?
  let includesVirtualHostRateLimits: Bool
  /// Nanoseconds; 0: none.
  let timeout: UInt64
  /// `.some(0)`: none; nil: the connection manager's.
  let idleTimeout: UInt64?
  let clusterNotFoundStatus: Int
  let priority: RoutingPriority
  let upgrades: UpgradeRules
  let streamDuration: StreamDuration?
  /// Nil: requests are not sent again, unless they ask for it themselves.
  let retryPolicy: RetryPolicyRuntime?
  let hedgesOnPerTryTimeout: Bool
  let attemptHeaders: AttemptHeaders
  /// Nil: CONNECT is forwarded.
  let connect: RouteAction.ConnectTermination?
  /// Nil: what the listener lets one connection hold.
  let bodyLimit: UInt64?
  let formatNeeds: FormatNeeds

  init(
    model: RouteAction, mirrors inherited: [MirrorPolicy] = [],
    rules: HeaderRuleLevels = HeaderRuleLevels(), context: WorkerContext,
    clusters find: (String) -> ClusterRuntime?
  ) {
    pathRewriter = model.pathRewrite.map { PathRewriter($0, names: context.names) }
    hedgesOnPerTryTimeout = model.hedgesOnPerTryTimeout
    attemptHeaders = model.attemptHeaders
    connect = model.connect
    bodyLimit = model.bodyLimit
    hostRewriter = model.hostRewrite.map {
      HostRewriter($0, appendsForwardedHost: model.appendsForwardedHost, names: context.names)
    }
    rateLimits = RateLimitRules(model.rateLimits, context)
    includesVirtualHostRateLimits = model.includesVirtualHostRateLimits
    timeout = model.timeout?.clampedNanoseconds ?? 0
    retryPolicy = model.retryPolicy.map { RetryPolicyRuntime(model: $0, names: context.names) }
    switch model.idleTimeout {
    case .none: idleTimeout = nil
    case .some(.none): idleTimeout = 0
    case .some(.some(let duration)): idleTimeout = duration.clampedNanoseconds
    }
    clusterNotFoundStatus = model.clusterNotFoundStatus
    priority = model.priority
    upgrades = UpgradeRules(model.upgrades)
    streamDuration = model.streamDuration.map { StreamDuration($0) }
    switch model.cluster {
    case .single(let name):
      target = ClusterTarget(name: name, find: find)
      weights = nil
    case .header(let name):
      target = ClusterTarget(header: name, names: context.names)
      weights = nil
    case .weighted(let model):
      target = ClusterTarget(name: "", find: { _ in nil })
      weights = WeightedChoice(model, rules: rules, context: context, find: find)
    }
    hashPolicies =
      model.hashPolicies.isEmpty ? nil : HashPolicies(model.hashPolicies, names: context.names)
    internalRedirect = model.internalRedirect.map { InternalRedirection($0, names: context.names) }
    mirrors = (model.mirrors ?? inherited).map {
      MirrorRuntime($0, priority: model.priority, context: context, find: find)
    }
    var needs = pathRewriter?.format?.needs ?? []
    needs.formUnion(hostRewriter?.format?.needs ?? [])
    for entry in weights?.entries ?? [] { needs.formUnion(entry.rules?.needs ?? []) }
    for mirror in mirrors { needs.formUnion(mirror.changes?.needs ?? []) }
    formatNeeds = needs
  }
}
