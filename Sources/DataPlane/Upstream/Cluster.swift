// A cluster as a worker sees it: its endpoints, whose turn it is, and its counts. Built from the
// model when a configuration is applied; one that has changed is built anew while streams of the
// old one end on the old one.
import CMartletSystem
import Model

/// What the data plane's rooms need of their worker.
final class WorkerContext {
  let index: Int
  let reactor: Reactor
  let names: HeaderNameTable
  let stats: StatRegistry
  let endpointStats: StatRegistry
  let log: Log
  var random: RandomSource
  let runtime = RuntimeTable()
  /// For text that is put together and copied within one call.
  let scratch = ByteBuilder()
  /// Who this proxy is, in the configuration that is being applied.
  var node = Node()
  /// Draining: the share of answers that tell their connection to close, in 1/65536.
  var drainShare: UInt64 = 0
  /// `date` header of the current second.
  var date = DateHeader()

  init(
    index: Int, reactor: Reactor, names: HeaderNameTable, stats: StatRegistry,
    endpointStats: StatRegistry, log: Log
  ) {
    self.index = index
    self.reactor = reactor
    self.names = names
    self.stats = stats
    self.endpointStats = endpointStats
    self.log = log
    random = RandomSource()
  }

  /// Whether the answer at hand is one of those that close their connection.
  @inline(__always)
  func closesForDrain() -> Bool { drainShare != 0 && random.next(below: 65_536) < drainShare }

}

final class ClusterRuntime {
  let model: Cluster
  let context: WorkerContext
  let counters: Counters<ClusterStat>
  let endpoints: [EndpointRuntime]
  private var roundRobin: RoundRobin
  let connectTimeout: UInt64
  let idleTimeout: UInt64?
  let responseLimits: HTTP1HeadParser.Limits
  /// Replaced by a newer configuration: connections are not pooled any more.
  private(set) var isRetired = false

  init(model: Cluster, context: WorkerContext) {
    self.model = model
    self.context = context
    counters = context.stats.counters(
      ClusterStat.self, scope: .cluster(model.statName), worker: context.index)
    endpoints = model.endpoints.compactMap { endpoint in
      EndpointRuntime(
        model: endpoint,
        counters: context.endpointStats.counters(
          EndpointStat.self, scope: ClusterRuntime.endpointScope(model, endpoint),
          worker: context.index))
    }
    roundRobin = RoundRobin(
      weights: endpoints.map(\.model.weight), seed: context.random.next())
    connectTimeout = model.connectTimeout.clampedNanoseconds
    idleTimeout = model.idleTimeout?.clampedNanoseconds
    responseLimits = HTTP1HeadParser.Limits(
      maxBytes: model.maxResponseHeadersBytes, maxHeaders: model.maxResponseHeaders)
    // Every worker sees the whole membership; the gauges are summed, so one of them says it.
    if context.index == 0 {
      counters.set(.membershipTotal, UInt64(endpoints.count))
      counters.set(.membershipHealthy, UInt64(endpoints.count))
    }
  }

  static func endpointScope(_ cluster: Cluster, _ endpoint: Endpoint) -> StatValue.Scope {
    .other("\(cluster.name)|\(endpoint.address)")
  }

  /// Whose turn it is. Nil when the cluster has no endpoint.
  @inline(__always)
  func pick() -> EndpointRuntime? {
    guard let index = roundRobin.next() else {
      counters.add(.connectionNoneHealthy)
      return nil
    }
    return endpoints[index]
  }

  func retire() {
    isRetired = true
    for endpoint in endpoints { endpoint.closeIdle() }
  }
}

extension Duration {
  /// Nanoseconds, negative ones as 0, more than 292 years as that.
  var clampedNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    if seconds < 0 || attoseconds < 0 { return 0 }
    if seconds > 9_000_000_000 { return UInt64(Int64.max) }
    return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
  }
}
