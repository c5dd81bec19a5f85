// What is counted of some of a virtual host's requests: those of a virtual cluster, and those of a
// route that has a `stat_prefix`.
import Model

/// `vhost.<host>.vcluster.<name>.` or `vhost.<host>.route.<name>.`
final class RouteStatistics {
  let counters: Counters<RouteStat>
  private let codes: ResponseCodes
  private let histograms: Histograms<RouteHistogram>

  init(_ scope: StatValue.Scope, context: WorkerContext) {
    let stats = context.stats
    counters = stats.counters(RouteStat.self, scope: scope, worker: context.index)
    codes = stats.responseCodes(.all, scope: scope, worker: context.index)
    histograms = stats.histograms(RouteHistogram.self, scope: scope, worker: context.index)
  }

  /// An answer, the upstream's or the router's own in its place.
  func count(_ status: Int) { codes.add(status) }

  func time(from start: UInt64, to end: UInt64) { histograms.record(.requestTime, from: start, to: end) }
}

/// Of one request; what it has is kept alive by the route table.
struct RequestStatistics {
  unowned(unsafe) var virtualCluster: RouteStatistics?
  unowned(unsafe) var route: RouteStatistics?

  @inline(__always)
  func add(_ stat: RouteStat) {
    virtualCluster?.counters.add(stat)
    route?.counters.add(stat)
  }

  @inline(__always)
  func count(_ status: Int) {
    virtualCluster?.count(status)
    route?.count(status)
  }

  @inline(__always)
  func time(from start: UInt64, to end: UInt64) {
    virtualCluster?.time(from: start, to: end)
    route?.time(from: start, to: end)
  }
}

/// The virtual clusters of a virtual host: the first whose matchers all hold counts a request, or else
/// `other`.
final class VirtualClusters {
  private let entries: [(headers: [HeaderMatcherRuntime], statistics: RouteStatistics)]
  private let other: RouteStatistics

  /// Nil: there are none.
  init?(_ model: VirtualHost, context: WorkerContext) {
    if model.virtualClusters.isEmpty { return nil }
    func statistics(_ name: String) -> RouteStatistics {
      RouteStatistics(.virtualCluster(host: model.name, name: name), context: context)
    }
    entries = model.virtualClusters.map { cluster in
      (
        cluster.headers.map { HeaderMatcherRuntime(model: $0, names: context.names) },
        statistics(cluster.name)
      )
    }
    other = statistics("other")
  }

  func find(_ request: MessageHead) -> RouteStatistics {
    for entry in entries where entry.headers.allSatisfy({ $0.matches(request) }) { return entry.statistics }
    return other
  }
}
