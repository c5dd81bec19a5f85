// A cluster as a worker sees it: its endpoints, whose turn it is, and its counts. Built from the
// model when a configuration is applied; one that has changed is built anew while streams of the
// old one end on the old one. Endpoints that are found later (DNS) come and go while it lives.
import CMartletSystem
import Model

/// What the data plane's rooms need of their worker.
final class WorkerContext {
  let index: Int
  let reactor: Reactor
  let names: HeaderNameTable
  let stats: StatRegistry
  let endpointStats: StatRegistry
  let breakers: CircuitBreakerBoards
  let sharedCounts: SharedCounts
  let foundEndpoints: SharedEndpoints
  let log: Log
  var random: RandomSource
  /// Which answers tell their connection to close.
  var drain = DrainShares()
  let runtime = RuntimeTable()
  /// The clusters of the present configuration, by name.
  var clusterDirectory = ClusterDirectory([:])
  /// For text that is put together and copied within one call.
  let scratch = ByteBuilder()
  /// Who this proxy is, in the configuration that is being applied.
  var node = Node()
  /// `date` header of the current second.
  var date = DateHeader()
  var wall = WallClock()
  /// For text that is made and used in one go.
  let text = TextBuffer()
  private var connectionIDs: UInt64

  init(
    index: Int, reactor: Reactor, names: HeaderNameTable, stats: StatRegistry,
    endpointStats: StatRegistry, log: Log,
    breakers: CircuitBreakerBoards = CircuitBreakerBoards(workers: 1),
    sharedCounts: SharedCounts = SharedCounts(), foundEndpoints: SharedEndpoints = SharedEndpoints()
  ) {
    self.index = index
    self.reactor = reactor
    self.names = names
    self.stats = stats
    self.endpointStats = endpointStats
    self.breakers = breakers
    self.sharedCounts = sharedCounts
    self.foundEndpoints = foundEndpoints
    self.log = log
    random = RandomSource()
    connectionIDs = UInt64(index) << 40
  }

  /// A number for a connection of either side, unlike all others of the process.
  func nextConnectionID() -> UInt64 {
    connectionIDs &+= 1
    return connectionIDs
  }

  /// Whether the answer at hand is one of those that close their connection.
  @inline(__always)
  func closesForDrain(isInbound: Bool) -> Bool {
    let share = isInbound ? drain.inbound : drain.others
    return share != 0 && random.next(below: 65_536) < share
  }
}

/// The share of answers that tell their connection to close, in 1/65536.
struct DrainShares {
  /// Of listeners whose traffic direction is inbound.
  private(set) var inbound: UInt64 = 0
  private(set) var others: UInt64 = 0
  private var draining: (share: UInt64, inboundOnly: Bool) = (0, false)
  /// The operator has made health checks fail: all of them.
  var healthCheckFailed = false {
    didSet { update() }
  }

  mutating func set(share: UInt64, inboundOnly: Bool) {
    draining = (share, inboundOnly)
    update()
  }

  private mutating func update() {
    inbound = healthCheckFailed ? 65_536 : draining.share
    others = healthCheckFailed ? 65_536 : draining.inboundOnly ? 0 : draining.share
  }
}

final class ClusterRuntime {
  let model: Cluster
  let context: WorkerContext
  let counters: Counters<ClusterStat>
  let nameText: OwnedText
  let statNameText: OwnedText
  let histograms: Histograms<ClusterHistogram>
  let responses: ClusterResponses
  private(set) var endpoints: [EndpointRuntime] = []
  private var balancer: LoadBalancer
  private let normalBreaker: CircuitBreaker
  private let highBreaker: CircuitBreaker
  let connectTimeout: UInt64
  let idleTimeout: UInt64?
  /// Nanoseconds; 0: none.
  let maxConnectionDuration: UInt64
  /// Nanoseconds; 0: none.
  let maxStreamDuration: UInt64
  let responseLimits: HTTP1HeadParser.Limits
  let properNames: Bool
  /// Nil: there is none.
  let metadata: MetadataTree?
  let socketOptions: UpstreamSocketOptions
  /// ORIGINAL_DST: endpoints are made as they are asked for. Nil for all other clusters.
  private(set) var destinations: OriginalDestinations?
  /// Replaced by a newer configuration: connections are not pooled any more.
  private(set) var isRetired = false

  init(model: Cluster, context: WorkerContext) {
    self.model = model
    self.context = context
    metadata = MetadataTree(model.metadata)
    nameText = OwnedText(model.name)
    statNameText = OwnedText(model.statName)
    counters = context.stats.counters(
      ClusterStat.self, scope: .cluster(model.statName), worker: context.index)
    histograms = context.stats.histograms(
      ClusterHistogram.self, scope: .cluster(model.statName), worker: context.index)
    responses = ClusterResponses(cluster: model.statName, context: context)
    let board = context.breakers.board(of: model)
    normalBreaker = CircuitBreaker(
      model.circuitBreakers.normal, priority: .normal, board: board, worker: context.index)
    highBreaker = CircuitBreaker(
      model.circuitBreakers.high, priority: .high, board: board, worker: context.index)
    connectTimeout = model.connectTimeout.clampedNanoseconds
    idleTimeout = model.idleTimeout?.clampedNanoseconds
    maxConnectionDuration = model.maxConnectionDuration?.clampedNanoseconds ?? 0
    maxStreamDuration = model.maxStreamDuration?.clampedNanoseconds ?? 0
    properNames = model.http1.names == .proper
    responseLimits = HTTP1HeadParser.Limits(
      maxBytes: model.maxResponseHeadersBytes, maxHeaders: model.maxResponseHeaders)
    socketOptions = UpstreamSocketOptions(model.connections)
    balancer = LoadBalancer(
      [], balancing: model.loadBalancing, now: context.reactor.now, random: &context.random,
      counters: counters)
    if case .originalDestination(let options) = model.discovery {
      destinations = OriginalDestinations(options, cluster: self)
    }
    setEndpoints(model.endpoints)
  }

  static func endpointScope(_ cluster: Cluster, _ endpoint: Endpoint) -> StatValue.Scope {
    // A logical host is the same wherever it is.
    if case .dns(let dns) = cluster.discovery, dns.isLogical { return .other("\(cluster.name)|") }
    return .other("\(cluster.name)|\(endpoint.address)")
  }

  /// Whose turn it is. Nil when there is nobody.
  @inline(__always)
  func pick() -> EndpointRuntime? {
    guard let endpoint = balancer.pick(&context.random, now: context.reactor.now) else {
      counters.add(.connectionNoneHealthy)
      return nil
    }
    return endpoint
  }

  @inline(__always)
  func breaker(_ priority: RoutingPriority) -> CircuitBreaker {
    priority == .normal ? normalBreaker : highBreaker
  }

  // MARK: Retries

  /// Begins a retry, if the breaker of the priority allows one more; `releaseRetry` ends it.
  func takeRetry(_ priority: RoutingPriority) -> Bool {
    if breaker(priority).takeRetry() { return true }
    counters.add(.requestRetryOverflow)
    return false
  }

  func releaseRetry(_ priority: RoutingPriority) { breaker(priority).subtract(.retries) }

  // MARK: Endpoints

  /// The endpoints are these from now on. Who was here before keeps its connections; who is not
  /// here any more ends its requests.
  func setEndpoints(_ models: [Endpoint]) {
    if case .dns(let dns) = model.discovery, dns.isLogical, let only = models.first,
      let old = endpoints.first
    {
      old.move(to: only)
      return
    }
    var old: [Endpoint: EndpointRuntime] = [:]
    for endpoint in endpoints { old[endpoint.model] = endpoint }
    let hadEndpoints = !endpoints.isEmpty
    var changed = false
    var next: [EndpointRuntime] = []
    next.reserveCapacity(models.count)
    for model in models {
      if let known = old.removeValue(forKey: model) {
        next.append(known)
      } else if let made = EndpointRuntime(model: model, cluster: self) {
        next.append(made)
        changed = true
      }
    }
    if !old.isEmpty { changed = true }
    endpoints = next
    for endpoint in old.values { endpoint.retire() }
    if hadEndpoints, changed, model.loadBalancing.closesConnectionsOnChange {
      for endpoint in next { endpoint.drainConnections() }
    }
    balance()
    // Every worker sees the whole membership; the gauges are summed, so one of them says it.
    if changed, context.index == 0 { counters.add(.membershipChange) }
  }

  private func balance() {
    balancer = LoadBalancer(
      endpoints, balancing: model.loadBalancing, now: context.reactor.now,
      random: &context.random, counters: counters)
    guard context.index == 0 else { return }
    counters.set(.membershipTotal, UInt64(endpoints.count))
    counters.set(.membershipHealthy, UInt64(balancer.healthyCount))
    counters.set(.membershipDegraded, UInt64(balancer.degradedCount))
    counters.set(.membershipExcluded, UInt64(balancer.excludedCount))
  }

  func retire() {
    isRetired = true
    for endpoint in endpoints { endpoint.closeIdle() }
    destinations?.retire()
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
