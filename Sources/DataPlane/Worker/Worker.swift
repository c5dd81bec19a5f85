// A worker: one thread with its reactor, listeners, clusters and connections. It builds its own
// runtime objects from each configuration, so that no reference count is shared between cores.
import CMartletBlame
import CMartletSystem
import Model

/// What a worker is told of a listener: its model, and where its sockets come from.
struct ListenerUpdate: Sendable {
  let model: Listener
  /// For each address: a new descriptor, or the index of the socket that it keeps.
  let sockets: [Socket]
  struct Socket: Sendable {
    var descriptor: Int32?
    var from: Int?
    var exclusive: Bool
  }
}

final class Worker: @unchecked Sendable {
  let index: Int
  private let mailbox = Mailbox()
  private let shared: SharedState
  private var thread = pthread_t()
  private var started = false
  /// Made before the thread, so that a failure is the caller's to tell; the thread's from then on.
  private var reactor: Reactor?

  // On the worker's thread only.
  private var context: WorkerContext!
  private var handles: HandleTable!
  private var listeners: [String: ListenerRuntime] = [:]
  private var clusters: [String: ClusterRuntime] = [:]
  private var configuration = ProxyConfiguration()
  private var drainTimer: DrainTimer?
  private var logs: AccessLogWriters!
  private var isEnding = false

  /// What all workers share: registries and counts, each safe by itself.
  struct SharedState: Sendable {
    let stats: StatRegistry
    let endpointStats: StatRegistry
    let breakers: CircuitBreakerBoards
    let foundEndpoints: SharedEndpoints
    let resolved = ResolvedEndpoints()
    let counts: SharedCounts
    let connections: SharedCount
    let log: Log
    let options: DataPlaneOptions
    let logFiles: AccessLogFiles
  }

  init(index: Int, shared: SharedState) {
    self.index = index
    self.shared = shared
  }

  func post(_ message: @escaping @Sendable (Worker) -> Void) {
    mailbox.post { [unowned self] in message(self) }
  }

  // MARK: Thread

  func start() throws(SystemError) {
    reactor = try Reactor()
    let code = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Worker>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue().main()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    if code != 0 { throw SystemError(call: "pthread_create", code: code) }
    started = true
  }

  func join() {
    if started { pthread_join(thread, nil) }
    started = false
  }

  private func main() {
    martlet_name_thread("wrk:worker_\(index)")
    martlet_slot_open("wrk:worker_\(index)")
    defer { martlet_slot_close() }
    guard let reactor else { return }
    context = WorkerContext(
      index: index, reactor: reactor, names: HeaderNameTable(), stats: shared.stats,
      endpointStats: shared.endpointStats, log: shared.log, breakers: shared.breakers,
      sharedCounts: shared.counts, foundEndpoints: shared.foundEndpoints)
    logs = AccessLogWriters(
      files: shared.logFiles, reactor: reactor,
      interval: shared.options.fileFlushInterval.clampedNanoseconds)
    handles = HandleTable(worker: index)
    handles.context = context
    handles.install()
    WorkerDoors.shared.open(index) { [weak self] message in self?.post { _ in message() } }
    _ = context.stats.counters(
      ListenerManagerStat.self, scope: .other("listener_manager."), worker: index)
    mailbox.attach(to: reactor)
    reactor.run()
    reactor.unregister(mailbox)
  }

  // MARK: Configuration

  func apply(_ next: ProxyConfiguration, listeners updates: [ListenerUpdate]) {
    context.runtime.replace(next.runtime)
    context.node = next.node
    let clustersChanged = applyClusters(next)
    var kept = Set<String>()
    for update in updates {
      kept.insert(update.model.name)
      let limits = ListenerLimits(
        global: shared.connections, globalLimit: next.maxDownstreamConnections ?? .max,
        own: shared.counts.named("listener/\(update.model.name)"),
        ownLimit: update.model.maxConnections ?? .max)
      let sockets = update.sockets.map { ($0.descriptor, $0.from, $0.exclusive) }
      if let listener = listeners[update.model.name] {
        // A changed cluster changes what is behind every chain.
        if clustersChanged || listener.model != update.model
          || configuration.maxDownstreamConnections != next.maxDownstreamConnections
        {
          let old = (model: listener.model, chains: listener.chains)
          listener.update(model: update.model, limits: limits, chains: chains(of: update.model))
          carryOver(listener, from: old)
        }
        listener.setSockets(sockets)
      } else {
        let listener = ListenerRuntime(
          model: update.model, context: context, handles: handles, limits: limits,
          chains: chains(of: update.model), logs: logs)
        listener.findListener = { [unowned self] in self.listener(for: $0) }
        listeners[update.model.name] = listener
        listener.setSockets(sockets)
      }
    }
    for (name, listener) in listeners where !kept.contains(name) {
      listeners[name] = nil
      listener.retire()
      drainConnections(of: listener)
    }
    logs.keep(only: next.accessLogPaths)
    configuration = next
  }

  /// True when any cluster is not what it was.
  private func applyClusters(_ next: ProxyConfiguration) -> Bool {
    var changed = false
    var fresh: [String: ClusterRuntime] = [:]
    for model in next.clusters {
      if let old = clusters[model.name], old.model == model {
        fresh[model.name] = old
      } else {
        let cluster = ClusterRuntime(model: model, context: context)
        if case .dns = model.discovery { refresh(cluster) }
        fresh[model.name] = cluster
        changed = true
      }
    }
    for (name, old) in clusters where fresh[name] !== old {
      changed = true
      old.retire()
    }
    clusters = fresh
    if changed || next.clusters.isEmpty { context.clusterDirectory = ClusterDirectory(fresh) }
    return changed
  }

  /// The names of the cluster's endpoints have been resolved to others.
  func refreshEndpoints(of model: Cluster) {
    if let cluster = clusters[model.name], cluster.model == model { refresh(cluster) }
  }

  private func refresh(_ cluster: ClusterRuntime) {
    cluster.setEndpoints(shared.resolved.endpoints(of: cluster.model))
  }

  private func chains(of listener: Listener) -> ListenerChains {
    var all: [(FilterChainMatch, NetworkChain)] = []
    for (index, chain) in listener.filterChains.enumerated() {
      all.append((chain.match, build(chain, of: listener, "\(listener.name)/\(index)")))
    }
    let fallback = listener.defaultFilterChain.map { build($0, of: listener, "\(listener.name)/default") }
    return ListenerChains(
      matcher: FilterChainMatcher(chains: all, fallback: fallback),
      all: all.map(\.1) + [fallback].compactMap { $0 })
  }

  private func build(_ chain: FilterChain, of listener: Listener, _ path: String) -> NetworkChain {
    var filters: [NetworkFilterFactory] = []
    var owners: [AnyObject] = []
    var terminal: TerminalFactory?
    let find: (String) -> ClusterRuntime? = { [unowned self] in clusters[$0] }
    for (index, filter) in chain.filters.enumerated() {
      switch filter {
      case .echo:
        filters.append(NetworkFilterFactory(table: EchoFilter.table, config: nil))
      case .directResponse(let body):
        let config = DirectResponseFilter.Config(body: body)
        owners.append(config)
        filters.append(
          NetworkFilterFactory(
            table: DirectResponseFilter.table, config: Unmanaged.passUnretained(config).toOpaque()))
      case .connectionLimit(let model):
        let config = ConnectionLimitFilter.Config(
          model: model, active: shared.counts.named("connection_limit/\(path)/\(index)"),
          counters: context.stats.counters(
            ConnectionLimitStat.self, scope: .other("connection_limit.\(model.statPrefix)."),
            worker: self.index), runtime: context.runtime)
        owners.append(config)
        filters.append(
          NetworkFilterFactory(
            table: ConnectionLimitFilter.table, config: Unmanaged.passUnretained(config).toOpaque()))
      case .tcpProxy(let model):
        terminal = TCPProxyFactory(model: model, context: context, logs: logs, clusters: find)
      case .plugin(let model):
        filters.append(NetworkFilterFactory(model, handles, context))
      case .httpConnectionManager(let model):
        terminal = HTTPManager(
          model: model, listener: listener, context: context, logs: logs, handles: handles, clusters: find)
      }
    }
    return NetworkChain(
      filters: filters, terminal: terminal, name: chain.name, metadata: chain.metadata,
      owners: owners)
  }

  /// The listener that stands for a destination: its very address, or its port on any address.
  private func listener(for destination: SocketAddress) -> ListenerRuntime? {
    var wildcard: ListenerRuntime?
    for listener in listeners.values {
      for address in listener.model.addresses {
        if address.address == destination { return listener }
        if case .ip(let ip, let port) = address.address, case .ip(let wanted, let wantedPort) = destination,
          port == wantedPort, ip.family == wanted.family, ip == .anyV4 || ip == .anyV6
        {
          wildcard = listener
        }
      }
    }
    return wildcard
  }

  func setRuntime(_ values: [String: RuntimeValue]) { context.runtime.replace(values) }

  // MARK: Draining and stopping

  /// Connections go on by the new configuration from their next request on where they can; the others are
  /// told to close.
  private func carryOver(
    _ listener: ListenerRuntime, from old: (model: Listener, chains: ListenerChains)
  ) {
    for connection in handles.connections.all where connection.owner === listener {
      if let chain = connection.filterChain,
        let next = ListenerRuntime.successor(of: chain, in: old, listener), connection.succeed(by: next)
      {
        continue
      }
      connection.drain()
    }
  }

  private func drainConnections(of listener: ListenerRuntime) {
    for connection in handles.connections.all where connection.owner === listener { connection.drain() }
  }

  /// The process is to end: all listeners, all connections.
  func drain(stopAccepting: Bool) {
    if stopAccepting { stopListening(inboundOnly: false) }
    guard !isEnding else { return }
    isEnding = true
    beginDrain(
      immediately: shared.options.drainImmediately, inboundOnly: false, stopsListeners: false)
  }

  func drainListeners(_ drain: ListenerDrain) {
    if drain.stop == .atOnce { stopListening(inboundOnly: drain.inboundOnly) }
    guard drainTimer == nil else { return }
    beginDrain(
      immediately: shared.options.drainImmediately, inboundOnly: drain.inboundOnly,
      stopsListeners: drain.stop == .afterDrainTime)
  }

  private func beginDrain(immediately: Bool, inboundOnly: Bool, stopsListeners: Bool) {
    drainTimer?.end()
    let timer = DrainTimer(
      context: context, handles: handles, immediately: immediately,
      length: shared.options.drainTime.clampedNanoseconds, inboundOnly: inboundOnly)
    if stopsListeners {
      timer.atEnd = { [unowned self] in stopListening(inboundOnly: inboundOnly) }
    }
    drainTimer = timer
    timer.start()
  }

  private func stopListening(inboundOnly: Bool) {
    let counters = context.stats.counters(
      ListenerManagerStat.self, scope: .other("listener_manager."), worker: index)
    for listener in listeners.values where listener.model.isInbound || !inboundOnly {
      // Every worker stops every listener; one of them counts.
      if index == 0, !listener.isStopped { counters.add(.stopped) }
      if let keeper = shared.options.sockets, !listener.isStopped {
        for address in listener.model.addresses {
          keeper.drop(ListenSocket.keptName(address, listener.model, worker: index))
        }
      }
      listener.stopAccepting()
    }
  }

  func setHealthCheckFailed(_ failed: Bool) { context.drain.healthCheckFailed = failed }

  func stop() {
    for listener in listeners.values { listener.retire() }
    for connection in handles.connections.all { connection.close() }
    for cluster in clusters.values { cluster.retire() }
    listeners.removeAll()
    clusters.removeAll()
    configuration = ProxyConfiguration()
    handles.forgetFormats()
    logs.flush()
    context.reactor.stop()
  }
}
