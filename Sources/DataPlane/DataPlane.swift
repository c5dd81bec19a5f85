// The data plane's face to the control side. Everything that runs on a worker thread lives in
// this module; the control side holds one `DataPlane`, gives it configurations and reads its
// counters. It never touches a connection.
//
// The rooms of this module, from the ground up. A room uses rooms above it in this list, never
// below (kept by Tests/Conformance/test_tidy.py):
//
//   1. Buffers                 chunks, slices, queues of bytes
//   2. Stats                   counters that workers write and the control side reads
//   3. Matching                matchers of text, regular expressions, radix trees
//   4. Metadata                trees of values: of the configuration, and what filters store
//   5. Runtime                 values that change while the proxy runs
//   6. Reactor                 event loop, timers, mailboxes, slabs, sockets
//   7. Transport               what stands between a socket and a codec (plain; TLS later)
//   8. HTTP                    header map, HTTP/1 codec (HTTP/2 later)
//   9. Upstream                clusters, load balancing, pools
//  10. Formatting              format strings, header rules, what is known of a request
//  11. Router                  route tables and their lookup
//  12. AccessLogs              filters, loggers, files written behind the workers' backs
//  13. Filters                 chains of C function tables, the built-in network filters
//  14. TCPProxy                the TCP proxy, a terminal network filter
//  15. HTTPConnectionManager   streams, the router filter, local replies
//  16. Listener                sockets, listener filters, filter-chain matching
//  17. Resolution              names of endpoints, on a thread of its own
//  18. Worker                  one thread with all of the above, and what the control side asks of it
//
// Threading: `DataPlane` may be called from any thread of the control side; calls are serialised
// by a lock that no worker ever takes.
import CMartletSystem
public import Model

/// Options that hold for the life of the process.
public struct DataPlaneOptions: Sendable {
  /// Worker threads, 1...
  public var workers: Int = 1
  /// Receives what the workers have to say; called from any thread, rarely, may block shortly.
  public var log: LogSink = { _, _, _ in }
  /// The least severe level that is handed to `log`.
  public var logLevel: LogLevel = .info
  /// How long a drain lasts (`--drain-time-s`).
  public var drainTime: Duration = .seconds(600)
  /// Tell every connection to close at once when a drain begins, or ever more of them as
  /// `drainTime` passes (`--drain-strategy`).
  public var drainImmediately = false
  /// How long a line of an access log may wait in memory (`--file-flush-interval-msec`).
  public var fileFlushInterval: Duration = .seconds(10)
  /// Who keeps the listening sockets while the process is started again; nil: nobody.
  public var sockets: SocketKeeper?
  public init() {}
}

/// Severity, as `--log-level` names it.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case trace, debug, info, warning, error, critical, off
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// (level, component, text). Components: `main`, `connection`, `http`, `router`, `upstream`,
/// `filter`, `config`, `admin`.
public typealias LogSink = @Sendable (LogLevel, StaticString, String) -> Void

/// Why a configuration was not applied. Nothing has changed when it is thrown.
public struct ApplyError: Error, Sendable, CustomStringConvertible {
  /// One line a problem, each naming the listener and the address.
  public let problems: [String]
  public var description: String { problems.joined(separator: "\n") }
  init(problems: [String]) { self.problems = problems }
}

/// A counter or a gauge, summed over the workers.
public struct StatValue: Sendable, Hashable {
  public enum Kind: Sendable { case counter, gauge }
  /// What the statistic belongs to; gives the prefix of its name and its tag.
  public enum Scope: Sendable, Hashable {
    /// `server.`, no tag. (Filled in by the control side.)
    case server
    /// `listener.<address>.`; tag `envoy_listener_address`.
    case listener(String)
    /// `http.<stat prefix>.`; tag `envoy_http_conn_manager_prefix`.
    case http(String)
    /// `listener.<address>.http.<stat prefix>.`; both tags.
    case listenerHTTP(listener: String, http: String)
    /// `cluster.<name>.`; tag `envoy_cluster_name`.
    case cluster(String)
    /// `vhost.<host>.vcluster.<name>.`; tags `envoy_virtual_host` and `envoy_virtual_cluster`.
    case virtualCluster(host: String, name: String)
    /// `vhost.<host>.route.<name>.`; tags `envoy_virtual_host` and `envoy_route`.
    case route(host: String, name: String)
    /// `tcp.<stat prefix>.`; tag `envoy_tcp_prefix`.
    case tcp(String)
    /// A network or listener filter's own: whole prefix (`proxy_proto.`), no tag.
    case other(String)
    /// A member of a plugin's family: `http.<stat prefix>.` or nothing before the name, the values behind
    /// it; the labels are tags.
    case series(manager: String, labels: [String], values: [String])
  }
  public let scope: Scope
  /// `downstream_cx_total`; may hold further dots.
  public let name: String
  public let kind: Kind
  public let value: UInt64
  public init(scope: Scope, name: String, kind: Kind, value: UInt64) {
    self.scope = scope
    self.name = name
    self.kind = kind
    self.value = value
  }
}

/// A bound listener.
public struct ListenerStatus: Sendable, Hashable {
  public let name: String
  /// Real addresses, ports resolved, in the order of the configuration.
  public let addresses: [SocketAddress]
}

/// A cluster and its endpoints, counters summed over the workers.
public struct ClusterStatus: Sendable, Hashable {
  public struct Endpoint: Sendable, Hashable {
    public let address: SocketAddress
    public let hostname: String
    public let weight: UInt32
    public let locality: Locality
    public let priority: Int
    public let health: Model.Endpoint.Health
    /// `cx_active`, `cx_connect_fail`, `cx_total`, `rq_active`, `rq_error`, `rq_pending_active`,
    /// `rq_success`, `rq_timeout`, `rq_total`, in this order.
    public let counters: [(name: StaticString, value: UInt64)]
    public let model: Model.Endpoint
    public static func == (a: Self, b: Self) -> Bool { a.address == b.address }
    public func hash(into hasher: inout Hasher) { hasher.combine(address) }
  }
  public let name: String
  public let endpoints: [Endpoint]
  public let circuitBreakers: CircuitBreakers
  /// Percent.
  public let overprovisioningFactor: UInt32
}

/// The data plane of this process.
public final class DataPlane: Sendable {
  private struct ListenerSockets {
    let model: Listener
    var bound: [BoundAddress?]
  }
  private struct State {
    var configuration = ProxyConfiguration()
    var listeners: [String: ListenerSockets] = [:]
    var started = false
    var stopped = false
  }

  private let options: DataPlaneOptions
  private let shared: Worker.SharedState
  private let workers: [Worker]
  private let resolution: NameResolution
  /// One configuration is applied at a time, also while it waits for names.
  private let applying = Locked(())
  private let state = Locked(State())

  public init(options: DataPlaneOptions) {
    self.options = options
    shared = Worker.SharedState(
      stats: StatRegistry(), endpointStats: StatRegistry(),
      breakers: CircuitBreakerBoards(workers: Swift.max(options.workers, 1)),
      foundEndpoints: SharedEndpoints(),
      counts: SharedCounts(),
      connections: SharedCount(),
      log: Log(threshold: PluginTables.threshold ?? LogThreshold(options.logLevel), sink: options.log),
      options: options, logFiles: AccessLogFiles())
    let shared = shared
    let workers = (0..<Swift.max(options.workers, 1)).map { Worker(index: $0, shared: shared) }
    self.workers = workers
    resolution = NameResolution(
      stats: shared.stats, statIndex: workers.count, log: shared.log, resolved: shared.resolved
    ) { cluster in
      for worker in workers { worker.post { $0.refreshEndpoints(of: cluster) } }
    }
  }

  public var workerCount: Int { workers.count }

  /// Opens the listeners' sockets and hands the configuration to every worker; the first call also
  /// starts the workers. All or nothing. Returns when every worker runs the new configuration.
  ///
  /// Clusters whose names are to be resolved first (`wait_for_warm_on_init`) are waited for, as
  /// long as the name servers take; `isCancelled` is asked meanwhile, every millisecond, and ends
  /// it with an error.
  public func apply(
    _ configuration: ProxyConfiguration, isCancelled: () -> Bool = { false }
  ) throws(ApplyError) {
    try applying.withLock { _ throws(ApplyError) in
      do throws(SystemError) {
        guard try resolution.begin(configuration.clusters, isCancelled: isCancelled) else {
          throw SystemError(call: "name resolution", code: ECANCELED)
        }
      } catch {
        resolution.keep(state.withLock { $0.configuration.clusters })
        throw ApplyError(problems: ["\(error)"])
      }
      defer { resolution.keep(state.withLock { $0.configuration.clusters }) }
      try state.withLock { state throws(ApplyError) in try apply(configuration, &state) }
    }
  }

  private func apply(_ configuration: ProxyConfiguration, _ state: inout State) throws(ApplyError) {
    guard !state.stopped else { throw ApplyError(problems: ["the data plane has stopped"]) }
    var opened: [Int32] = []
    var made: [String] = []
    var fresh: [(name: String, descriptor: Int32)] = []
    var problems: [String] = []
    var updates: [[ListenerUpdate]] = Array(repeating: [], count: workers.count)
    var listeners: [String: ListenerSockets] = [:]
    openLogs(of: configuration, &problems)
    for listener in configuration.listeners {
      var sockets: [[ListenerUpdate.Socket]] = Array(repeating: [], count: workers.count)
      var bound: [BoundAddress?] = []
      let old = state.listeners[listener.name]
      for address in listener.bindToPort ? listener.addresses : [] {
        let key = BoundAddress.key(address, listener)
        let shares = DataPlane.isShared(address, listener)
        if let from = old?.bound.firstIndex(where: { $0?.key == key }) {
          bound.append(old?.bound[from])
          for worker in workers.indices {
            sockets[worker].append(.init(descriptor: nil, from: from, exclusive: shares))
          }
          continue
        }
        do {
          let socket = try ListenSocket.open(
            address, listener: listener, workers: workers.count, keeper: options.sockets)
          opened.append(contentsOf: socket.descriptors)
          if case .unix(let path, _) = address.address, !socket.wasKept { made.append(path) }
          bound.append(socket.bound)
          for (worker, descriptor) in socket.descriptors.enumerated() {
            if worker == 0 || !shares {
              fresh.append((ListenSocket.keptName(address, listener, worker: worker), descriptor))
            }
            sockets[worker].append(.init(descriptor: descriptor, from: nil, exclusive: shares))
          }
        } catch {
          problems.append("listener '\(listener.name)': cannot bind '\(address.address)': \(error.text)")
        }
      }
      listeners[listener.name] = ListenerSockets(model: listener, bound: bound)
      for worker in workers.indices {
        updates[worker].append(ListenerUpdate(model: listener, sockets: sockets[worker]))
      }
    }
    if problems.isEmpty, !state.started {
      do {
        for worker in workers { try worker.start() }
        state.started = true
      } catch {
        problems.append("cannot start the worker threads: \(error)")
      }
    }
    guard problems.isEmpty else {
      for descriptor in opened { martlet_close(descriptor) }
      for path in made { unlink(path) }
      throw ApplyError(problems: problems)
    }
    hand(over: fresh, instead: state.listeners, by: listeners)
    onEveryWorker { [updates] worker in
      worker.apply(configuration, listeners: updates[worker.index])
    }
    shared.logFiles.keep(only: configuration.accessLogPaths)
    removeSocketFiles(of: state.listeners, notIn: listeners)
    state.listeners = listeners
    state.configuration = configuration
  }

  /// Tells whoever keeps sockets of the new ones and of those that are to go, before the workers close
  /// theirs: what the kernel has accepted for a socket is taken from it before its last descriptor goes.
  private func hand(
    over fresh: [(name: String, descriptor: Int32)], instead old: [String: ListenerSockets],
    by new: [String: ListenerSockets]
  ) {
    guard let keeper = options.sockets else { return }
    for (name, descriptor) in fresh { keeper.keep(name, descriptor) }
    let kept = names(new)
    for name in names(old) where !kept.contains(name) { keeper.drop(name) }
    keeper.settle()
  }

  private func names(_ listeners: [String: ListenerSockets]) -> Set<String> {
    var names: Set<String> = []
    for listener in listeners.values {
      for address in listener.bound.compactMap({ $0?.configured }) {
        for worker in workers.indices {
          names.insert(ListenSocket.keptName(address, listener.model, worker: worker))
        }
      }
    }
    return names
  }

  /// Every access log is opened before anything changes, as the sockets are.
  private func openLogs(of configuration: ProxyConfiguration, _ problems: inout [String]) {
    for path in configuration.accessLogPaths.sorted() {
      do throws(SystemError) {
        _ = try shared.logFiles.open(path)
      } catch {
        let reason = String(cString: strerror(error.code))
        problems.append("cannot open access log '\(path)': \(reason)")
      }
    }
  }

  /// Opens the files of the access logs again, after they were moved away.
  public func reopenLogs() { shared.logFiles.reopen() }

  /// One socket for all workers, instead of one each.
  private static func isShared(_ address: Listener.Address, _ listener: Listener) -> Bool {
    if case .ip = address.address { return !listener.enableReusePort }
    return true
  }

  private func removeSocketFiles(
    of old: [String: ListenerSockets], notIn new: [String: ListenerSockets]
  ) {
    let kept = Set(new.values.flatMap { $0.bound.compactMap { $0?.configured.address } })
    for bound in old.values.flatMap(\.bound) {
      guard let address = bound?.configured.address, !kept.contains(address) else { continue }
      if case .unix(let path, _) = address { unlink(path) }
    }
  }

  /// Runs `body` on each worker and waits for all.
  private func onEveryWorker(_ body: @escaping @Sendable (Worker) -> Void) {
    let latch = Latch(count: workers.count)
    for worker in workers {
      worker.post { worker in
        body(worker)
        latch.countDown()
      }
    }
    latch.wait()
  }

  /// Replaces the runtime values on every worker. Returns when all have them.
  public func setRuntime(_ values: [String: RuntimeValue]) {
    guard state.withLock({ $0.started && !$0.stopped }) else { return }
    onEveryWorker { $0.setRuntime(values) }
  }

  /// A drain begins: keep-alive connections are told to close, all at once or ever more of them
  /// (`DataPlaneOptions.drainImmediately`). `stopAccepting`: the listeners close too.
  public func drain(stopAccepting: Bool) {
    guard state.withLock({ $0.started && !$0.stopped }) else { return }
    onEveryWorker { $0.drain(stopAccepting: stopAccepting) }
  }

  /// `/drain_listeners`. The process goes on.
  public func drainListeners(_ drain: ListenerDrain) {
    guard state.withLock({ $0.started && !$0.stopped }) else { return }
    onEveryWorker { $0.drainListeners(drain) }
  }

  /// While health checks fail, every answer tells its connection to close, so that clients go
  /// elsewhere.
  public func setHealthCheckFailed(_ failed: Bool) {
    guard state.withLock({ $0.started && !$0.stopped }) else { return }
    onEveryWorker { $0.setHealthCheckFailed(failed) }
  }

  /// The least severe level that is handed to `DataPlaneOptions.log` from now on.
  public func setLogLevel(_ level: LogLevel) { shared.log.threshold.set(level) }

  /// Downstream connections open now, over all workers.
  public var activeConnections: Int { Int(shared.connections.value) }

  /// Closes everything and ends the worker threads.
  public func stop() {
    let running = state.withLock { state in
      defer { state.stopped = true }
      return state.started && !state.stopped
    }
    guard running else { return }
    resolution.stop()
    for worker in workers { worker.post { $0.stop() } }
    for worker in workers { worker.join() }
    shared.logFiles.finish()
    state.withLock { state in
      removeSocketFiles(of: state.listeners, notIn: [:])
      // With it go the configurations of filters, so that plugins are told of their end.
      state.listeners = [:]
      state.configuration = ProxyConfiguration()
    }
  }

  /// Every statistic, summed over the workers.
  public func stats() -> [StatValue] {
    let clusters = state.withLock { $0.configuration.clusters }
    return shared.stats.snapshot() + shared.logFiles.stats.snapshot
      + clusters.flatMap { shared.breakers.board(of: $0).gauges($0) }
  }

  /// Every histogram, summed over the workers.
  public func histograms() -> [HistogramValue] { shared.stats.histogramSnapshot() }

  /// Ends the interval that `HistogramValue.interval` is of. The control side calls it every
  /// `stats_flush_interval`.
  public func flushHistograms() { shared.stats.flush() }

  /// How long the process took to take traffic, in milliseconds. Once.
  public func recordInitialization(milliseconds: UInt64) {
    shared.stats.histograms(ServerHistogram.self, scope: .server, worker: -1)
      .record(.initializationTime, milliseconds)
  }

  /// Bound listeners in the order of the configuration.
  public func listenerStatus() -> [ListenerStatus] {
    state.withLock { state in
      state.configuration.listeners.compactMap { listener in
        guard let sockets = state.listeners[listener.name] else { return nil }
        let addresses =
          listener.bindToPort
          ? sockets.bound.compactMap { $0?.actual } : listener.addresses.map(\.address)
        return ListenerStatus(name: listener.name, addresses: addresses)
      }
    }
  }

  private func endpoints(of cluster: Cluster) -> [Endpoint] {
    switch cluster.discovery {
    case .fixed: cluster.endpoints
    case .dns: shared.resolved.endpoints(of: cluster)
    case .originalDestination: shared.foundEndpoints.endpoints(of: cluster.name)
    }
  }

  /// Clusters in the order of the configuration.
  public func clusterStatus() -> [ClusterStatus] {
    let configuration = state.withLock { $0.configuration }
    var values: [StatValue.Scope: [UInt64]] = [:]
    for value in shared.endpointStats.snapshot() { values[value.scope, default: []].append(value.value) }
    return configuration.clusters.map { cluster in
      ClusterStatus(
        name: cluster.name,
        endpoints: endpoints(of: cluster).map { endpoint in
          let counts = values[ClusterRuntime.endpointScope(cluster, endpoint)] ?? []
          return ClusterStatus.Endpoint(
            address: endpoint.address, hostname: endpoint.hostname, weight: endpoint.weight,
            locality: endpoint.locality, priority: endpoint.priority, health: endpoint.health,
            counters: EndpointStat.allCases.map { stat in
              (stat.label, stat.rawValue < counts.count ? counts[stat.rawValue] : 0)
            }, model: endpoint)
        }, circuitBreakers: cluster.circuitBreakers,
        overprovisioningFactor: cluster.loadBalancing.overprovisioningFactor)
    }
  }
}

extension PluginTables {
  /// Before any plugin is opened, once a process: all tables are there, and plugins log from this level on.
  public static func prepare(logLevel: LogLevel) {
    use(LogThreshold(logLevel))
    add("martlet.host.http/1", UnsafeRawPointer(HostHTTPServices.table))
    FormatOperatorRuntime.make = { PluginFormatOperator.make($0) }
  }

  /// The worker's half of `martlet.host.rate_limit/1`.
  public static var descriptors: HostDescriptors.Function { HostDescriptors.find }
}
