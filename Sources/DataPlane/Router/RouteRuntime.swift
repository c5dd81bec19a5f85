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
  let path: PathMatcher
  private let conditions: RouteConditions?
  let action: Action

  init(model: Route, context: WorkerContext, clusters: (String) -> ClusterRuntime?) {
    name = model.name
    path = PathMatcher(model.match.path, caseSensitive: model.match.caseSensitive)
    conditions = RouteConditions(model.match, context: context)
    switch model.action {
    case .cluster(let action):
      self.action = .cluster(RouteActionRuntime(model: action, clusters: clusters))
    case .redirect(let redirect): action = .redirect(redirect)
    case .directResponse(let response): action = .directResponse(response)
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
  let upgrades: UpgradeRules
  let streamDuration: StreamDuration?
  /// The timeout in milliseconds, as `x-envoy-expected-rq-timeout-ms` says it.
  let timeoutMilliseconds: UInt64
  private let clusters: WeightedClusters

  init(model: RouteAction, clusters find: (String) -> ClusterRuntime?) {
    prefixRewrite = model.prefixRewrite.map { Array($0.utf8) }
    timeout = model.timeout?.clampedNanoseconds ?? 0
    timeoutMilliseconds = timeout / 1_000_000
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
