// One route: what it matches and what it does, with everything resolved that can be before a
// request comes.
import Model

final class RouteRuntime {
  enum Action {
    case cluster(RouteActionRuntime)
    case redirect(Redirect)
    case directResponse(DirectResponse)
  }

  let name: String
  let nameText: OwnedText
  let path: PathMatcher
  private let conditions: RouteConditions?
  let action: Action
  /// Nil where neither the route nor what it belongs to changes headers.
  let headerRules: RouteHeaderRules?
  /// Of a direct response's body (nil: as it is).
  private(set) var replyFormat: FormatProgram?

  /// `outer`: the rules of the virtual host and of the route table.
  init(
    model: Route, outer: [HeaderRuleSet] = [], mostSpecificWins: Bool = false, context: WorkerContext,
    clusters: (String) -> ClusterRuntime?
  ) {
    headerRules = RouteHeaderRules.compile(
      [model.headerRules] + outer, mostSpecificWins: mostSpecificWins, names: context.names)
    name = model.name
    nameText = OwnedText(model.name)
    path = PathMatcher(model.match.path, caseSensitive: model.match.caseSensitive)
    conditions = RouteConditions(model.match, context: context)
    switch model.action {
    case .cluster(let action):
      self.action = .cluster(RouteActionRuntime(model: action, names: context.names, clusters: clusters))
    case .redirect(let redirect): action = .redirect(redirect)
    case .directResponse(let response):
      action = .directResponse(response)
      replyFormat = response.bodyFormat.map { FormatProgram($0, names: context.names) }
    }
  }

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

/// Where a route sends requests.
final class RouteActionRuntime {
  let prefixRewrite: [UInt8]?
  /// Nanoseconds; 0: none.
  let timeout: UInt64
  /// `.some(0)`: none; nil: the connection manager's.
  let idleTimeout: UInt64?
  let clusterNotFoundStatus: Int
  let priority: RoutingPriority
  /// Nil: requests are not sent again, unless they ask for it themselves.
  let retryPolicy: RetryPolicyRuntime?
  private let clusters: WeightedClusters

  init(model: RouteAction, names: HeaderNameTable, clusters find: (String) -> ClusterRuntime?) {
    prefixRewrite = model.prefixRewrite.map { Array($0.utf8) }
    timeout = model.timeout?.clampedNanoseconds ?? 0
    retryPolicy = model.retryPolicy.map { RetryPolicyRuntime(model: $0, names: names) }
    switch model.idleTimeout {
    case .none: idleTimeout = nil
    case .some(.none): idleTimeout = 0
    case .some(.some(let duration)): idleTimeout = duration.clampedNanoseconds
    }
    clusterNotFoundStatus = model.clusterNotFoundStatus
    priority = model.priority
    switch model.cluster {
    case .single(let name): clusters = WeightedClusters(single: name, find: find)
    case .weighted(let list): clusters = WeightedClusters(list, find: find)
    }
  }

  /// The cluster for one request. Nil: it does not exist.
  @inline(__always)
  func cluster(_ random: inout RandomSource) -> ClusterRuntime? {
    clusters.pick(&random)
  }
}
