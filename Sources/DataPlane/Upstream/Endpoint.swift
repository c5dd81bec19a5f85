// One endpoint of a cluster as a worker sees it: where it is, its connection pools, its counts.
// It stays the same object while its address does, whatever else changes in the cluster.
import CMartletSystem
import Model

final class EndpointRuntime {
  unowned(unsafe) let cluster: ClusterRuntime
  /// The address changes where the cluster is LOGICAL_DNS.
  private(set) var model: Endpoint
  let counters: Counters<EndpointStat>
  /// Of the counters. The cluster may be gone when they are given back.
  private let scope: StatValue.Scope
  private let context: WorkerContext
  let hostnameText: OwnedText
  /// Nil: there is none.
  let metadata: MetadataTree?
  /// When it was made, in the reactor's time: slow start counts from here.
  let born: UInt64
  /// One address, or (in the order in which they are tried) several.
  private(set) var addresses: [SystemAddress]
  /// No longer in the cluster: its requests end here, its connections close after them.
  private(set) var isRetired = false
  /// Connections over all workers; nil where they have no limit.
  private let hostConnections: SharedCount?
  private let normalPool: HTTP1Pool
  private var highPool: HTTP1Pool?
  /// Connections that carry no HTTP.
  private var rawPools: [HTTP1Pool] = []
  /// ORIGINAL_DST: used since the last cleanup.
  var isUsed = true

  init?(model: Endpoint, cluster: ClusterRuntime) {
    addresses = EndpointRuntime.order(model, cluster.model.connections.addressOrder)
    guard !addresses.isEmpty else { return nil }
    self.model = model
    hostnameText = OwnedText(model.hostname)
    metadata = MetadataTree(model.metadata)
    self.cluster = cluster
    let context = cluster.context
    let scope = ClusterRuntime.endpointScope(cluster.model, model)
    self.scope = scope
    self.context = context
    counters = context.endpointStats.counters(
      EndpointStat.self, scope: scope, worker: context.index)
    born = context.reactor.now
    let limits = cluster.model.circuitBreakers
    hostConnections =
      limits.normal.maxConnectionsPerHost == nil && limits.high.maxConnectionsPerHost == nil
      ? nil : context.sharedCounts.named("endpoint/\(cluster.model.name)|\(model.address)")
    normalPool = HTTP1Pool(cluster: cluster, priority: .normal)
  }

  deinit {
    context.endpointStats.release(EndpointStat.self, scope: scope, worker: context.index)
  }

  /// RFC 8305 section 4: families in turn, the first one's address first.
  private static func order(_ model: Endpoint, _ options: AddressOrder) -> [SystemAddress] {
    if model.additionalAddresses.isEmpty {
      return SystemAddress(model.address).map { [$0] } ?? []
    }
    var rest = ([model.address] + model.additionalAddresses).compactMap(SystemAddress.init)
    guard let first = rest.first else { return [] }
    var family = first.family
    if let wanted = options.firstFamily { family = wanted == .v4 ? AF_INET : AF_INET6 }
    var ordered: [SystemAddress] = []
    var take = Int(options.firstFamilyCount)
    while !rest.isEmpty {
      var taken = 0
      while taken < take, let index = rest.firstIndex(where: { $0.family == family }) {
        ordered.append(rest.remove(at: index))
        taken += 1
      }
      family = family == AF_INET ? AF_INET6 : AF_INET
      take = 1
      if !rest.contains(where: { $0.family == family }) {
        ordered += rest
        rest = []
      }
    }
    return ordered
  }

  /// Requests in flight on this worker.
  @inline(__always)
  var activeRequests: UInt64 { counters[.requestActive] }

  // MARK: Connections

  /// A connection for a request, now or later; see `HTTP1Pool.acquire`.
  @inline(__always)
  func acquire(
    _ owner: UpstreamHandler, priority: RoutingPriority, raw: Bool = false
  ) -> HTTP1Pool.Outcome {
    if raw { return rawPool(priority).acquire(owner, endpoint: self) }
    if priority == .normal { return normalPool.acquire(owner, endpoint: self) }
    return poolOfHighPriority().acquire(owner, endpoint: self)
  }

  @inline(never)
  private func poolOfHighPriority() -> HTTP1Pool {
    if let highPool { return highPool }
    let pool = HTTP1Pool(cluster: cluster, priority: .high)
    highPool = pool
    return pool
  }

  @inline(never)
  private func rawPool(_ priority: RoutingPriority) -> HTTP1Pool {
    if let pool = rawPools.first(where: { $0.priority == priority }) { return pool }
    let pool = HTTP1Pool(cluster: cluster, priority: priority, isRaw: true)
    rawPools.append(pool)
    return pool
  }

  /// Whether another connection would be within the endpoint's own limit.
  func allowsConnection(_ priority: RoutingPriority) -> Bool {
    guard let hostConnections,
      let limit = cluster.model.circuitBreakers[priority].maxConnectionsPerHost
    else { return true }
    return hostConnections.value < UInt64(limit)
  }

  /// Counts a connection that begins; `connectionEnded` ends it.
  func connectionBegan(_ priority: RoutingPriority) {
    cluster.counters.add(.connectionTotal)
    cluster.counters.add(.connectionActive)
    counters.add(.connectionTotal)
    counters.add(.connectionActive)
    cluster.breaker(priority).add(.connections)
    _ = hostConnections?.increment(limit: .max)
    isUsed = true
  }

  func connectionEnded(_ priority: RoutingPriority) {
    cluster.counters.subtract(.connectionActive)
    counters.subtract(.connectionActive)
    cluster.breaker(priority).subtract(.connections)
    hostConnections?.decrement()
  }

  /// It has connections on this worker, or requests that wait for one.
  var isInUse: Bool { counters[.connectionActive] > 0 || counters[.requestPendingActive] > 0 }

  func closeIdle() {
    normalPool.closeIdle()
    highPool?.closeIdle()
    for pool in rawPools { pool.closeIdle() }
  }

  /// Connections close when their requests have ended, those without one at once.
  func drainConnections() {
    normalPool.drain()
    highPool?.drain()
    for pool in rawPools { pool.drain() }
  }

  /// The endpoint has left the cluster.
  func retire() {
    isRetired = true
    closeIdle()
  }

  /// LOGICAL_DNS: new connections go there from now on.
  func move(to model: Endpoint) {
    let addresses = EndpointRuntime.order(model, cluster.model.connections.addressOrder)
    guard !addresses.isEmpty else { return }
    self.addresses = addresses
    self.model = model
  }
}
