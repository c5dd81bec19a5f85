// Every statistic of the process: the data plane's, under Envoy's names, and those that only the
// control side knows.
import Admin
import DataPlane
import Model

extension ProxyServer {
  /// As they are shown: counters without what they had when they were last reset.
  func statisticsSinceReset() -> [Statistic] {
    let shown = statistics().filter { statisticsView.shows($0.name) }
    let before = shared.withLock { $0.countersAtReset }
    guard !before.isEmpty else { return shown }
    return shown.map { statistic in
      guard statistic.kind == .counter, let old = before[statistic.name] else { return statistic }
      var fresh = statistic
      fresh.value &-= old
      return fresh
    }
  }

  /// Counters only: a gauge says what is, and histograms stay, as in Envoy.
  func resetCounters() {
    let counters = statistics().filter { $0.kind == .counter }
    let values = Dictionary(counters.map { ($0.name, $0.value) }, uniquingKeysWith: &+)
    shared.withLock { $0.countersAtReset = values }
  }

  func histograms() -> [HistogramStatistic] {
    dataPlane.histograms().compactMap { value in
      let id = name(of: value.scope, value.name)
      guard statisticsView.shows(id.text) else { return nil }
      func bins(_ bins: [HistogramValue.Bin]) -> HistogramStatistic.Distribution {
        .init(bins.map { .init(lower: $0.lower, width: $0.width, count: $0.count) })
      }
      return HistogramStatistic(
        id, cumulative: bins(value.cumulative), interval: bins(value.interval),
        bounds: statisticsView.bounds(of: id.text))
    }
  }

  private func statistics() -> [Statistic] {
    let values = dataPlane.stats()
    var result = values.map(statistic)
    result += serverStatistics(connections: Self.totalConnections(values))
    result += managerStatistics()
    result += shared.withLock { $0.runtime.statistics }
    result += supervisionStatistics()
    let costs = PluginCost.all(PluginTally.all).filter(\.isOfTraffic)
    result += costs.flatMap { $0.statistics(statisticsView) }
    if let counters = shared.withLock({ $0.admin })?.counters { result += statistics(counters) }
    return result
  }

  private func statistic(_ value: StatValue) -> Statistic {
    Statistic(
      name(of: value.scope, value.name), kind: value.kind == .counter ? .counter : .gauge,
      value: value.value)
  }

  private func name(of scope: StatValue.Scope, _ name: String) -> StatisticName {
    func make(_ root: String, _ owner: Statistic.Tag?, name inner: String? = nil) -> StatisticName {
      statisticsView.name(root: root, owner: owner, name: inner ?? name)
    }
    func make(_ host: String, _ label: String, _ tag: Statistic.Tag) -> StatisticName {
      statisticsView.name(
        root: "vhost", owner: .init("envoy_virtual_host", host), inner: (label, tag), name: name)
    }
    switch scope {
    case .server: return make("server", nil)
    case .listenerHTTP(let listener, let http):
      return make(
        "listener", .init("envoy_listener_address", listener), name: "http.\(http).\(name)")
    case .listener(let address): return make("listener", .init("envoy_listener_address", address))
    case .http(let prefix): return make("http", .init("envoy_http_conn_manager_prefix", prefix))
    case .cluster(let name): return make("cluster", .init("envoy_cluster_name", name))
    case .virtualCluster(let host, let cluster):
      return make(host, "vcluster", .init("envoy_virtual_cluster", cluster))
    case .route(let host, let route):
      return make(host, "route", .init("envoy_route", route))
    case .tcp(let prefix): return make("tcp", .init("envoy_tcp_prefix", prefix))
    case .series(let manager, let labels, let values):
      let owner = Statistic.Tag("envoy_http_conn_manager_prefix", manager)
      let whole = ([name] + values).joined(separator: ".")
      var result =
        manager.isEmpty ? make("", nil, name: whole) : make("http", owner, name: whole)
      for (label, value) in zip(labels, values) {
        result = result.adding(.init(label, value), without: ".\(value)")
      }
      return result
    case .other(let prefix):
      let prefix = prefix.hasSuffix(".") ? String(prefix.dropLast()) : prefix
      if let (listener, worker) = Self.listenerWorker(prefix) {
        return make(
          "listener", .init("envoy_listener_address", listener), name: "\(worker).\(name)")
      }
      return make(prefix, nil)
    }
  }

  /// `listener.<address>.worker_<number>`, taken apart: both are tags.
  static func listenerWorker(_ prefix: String) -> (listener: String, worker: String)? {
    guard prefix.hasPrefix("listener."), let dot = prefix.lastIndex(of: ".") else { return nil }
    let worker = prefix[prefix.index(after: dot)...]
    let start = prefix.index(prefix.startIndex, offsetBy: 9)
    guard worker.hasPrefix("worker_"), start < dot else { return nil }
    return (String(prefix[start..<dot]), String(worker))
  }

  /// `server.total_connections` is what is open now, over all listeners.
  private static func totalConnections(_ values: [StatValue]) -> UInt64 {
    values.reduce(0) { sum, value in
      guard case .listener = value.scope, value.name == "downstream_cx_active" else { return sum }
      return sum + value.value
    }
  }

  private func serverStatistics(connections: UInt64) -> [Statistic] {
    let state = state
    let memory = ProcessMemory.allocator()
    let values: [(String, UInt64)] = [
      ("concurrency", UInt64(dataPlane.workerCount)),
      ("hot_restart_epoch", 0),
      ("live", state == .live ? 1 : 0),
      ("memory_allocated", memory.inUse),
      ("memory_heap_size", memory.obtained),
      ("memory_physical_size", ProcessMemory.resident()),
      ("parent_connections", 0),
      ("state", state.rawValue),
      ("total_connections", connections),
      ("uptime", UInt64(began.duration(to: .now).components.seconds)),
    ]
    return values.map {
      Statistic(statisticsView.name(root: "server", name: $0.0), kind: .gauge, value: $0.1)
    }
  }

  /// What the supervisor knows: where there is one.
  private func supervisionStatistics() -> [Statistic] {
    guard supervisor != nil else { return [] }
    let restarted = Statistic(
      statisticsView.name(root: "supervisor", name: "restarts"), kind: .gauge, value: UInt64(restarts))
    return [restarted]
      + plugins.crashReports.flatMap { report in
        let digits = String(report.hash.prefix(12))
        let tags: [StatisticName.Tag] = [.init("plugin", report.plugin), .init("sha256", digits)]
        func gauge(_ name: String, _ value: Int) -> Statistic {
          Statistic(
            statisticsView.name(
              text: "plugin.\(report.plugin).\(digits).\(name)".replacingColons, tagged: "plugin.\(name)",
              tags: tags), kind: .gauge, value: UInt64(value))
        }
        return [gauge("crashes", report.crashes.count), gauge("quarantined", report.then == nil ? 0 : 1)]
      }
  }

  private func managerStatistics() -> [Statistic] {
    let listeners = UInt64(configuration.listeners.count)
    let clusters = UInt64(configuration.clusters.count)
    let state = shared.withLock { $0.lifecycle.state }
    let workers = UInt64(dataPlane.workerCount)
    func counter(_ root: String, _ name: String, _ value: UInt64) -> Statistic {
      Statistic(statisticsView.name(root: root, name: name), kind: .counter, value: value)
    }
    func gauge(_ root: String, _ name: String, _ value: UInt64) -> Statistic {
      Statistic(statisticsView.name(root: root, name: name), kind: .gauge, value: value)
    }
    let draining = state == .draining
    return [
      counter("listener_manager", "listener_added", listeners),
      // Envoy counts a listener once a worker.
      counter("listener_manager", "listener_create_success", listeners * workers),
      // Configuration does not change while the process runs, so that these stay as they are.
      counter("listener_manager", "listener_create_failure", 0),
      counter("listener_manager", "listener_in_place_updated", 0),
      counter("listener_manager", "listener_modified", 0),
      counter("listener_manager", "listener_removed", 0),
      gauge("listener_manager", "total_filter_chains_draining", 0),
      gauge("listener_manager", "total_listeners_active", draining ? 0 : listeners),
      gauge("listener_manager", "total_listeners_draining", draining ? listeners : 0),
      gauge("listener_manager", "total_listeners_warming", 0),
      gauge("listener_manager", "workers_started", state == .preInitializing ? 0 : 1),
      counter("cluster_manager", "cluster_added", clusters),
      gauge("cluster_manager", "active_clusters", clusters),
      gauge("cluster_manager", "warming_clusters", 0),
      counter("cluster_manager", "cluster_modified", 0),
      counter("cluster_manager", "cluster_removed", 0),
      counter("cluster_manager", "cluster_updated", 0),
      counter("cluster_manager", "cluster_updated_via_merge", 0),
      counter("cluster_manager", "update_merge_cancelled", 0),
      counter("cluster_manager", "update_out_of_merge_window", 0),
    ]
  }

  /// The admin's own, as Envoy names them.
  private func statistics(_ counters: AdminServer.Counters) -> [Statistic] {
    let owner = Statistic.Tag("envoy_http_conn_manager_prefix", "admin")
    func http(_ name: String, _ kind: Statistic.Kind, _ value: UInt64) -> Statistic {
      Statistic(
        statisticsView.name(root: "http", owner: owner, name: name), kind: kind, value: value)
    }
    func listener(_ name: String, _ kind: Statistic.Kind, _ value: UInt64) -> Statistic {
      Statistic(
        statisticsView.name(root: "listener", name: "admin." + name), kind: kind, value: value)
    }
    let classes = counters.responses.enumerated().map {
      http("downstream_rq_\($0.offset + 1)xx", .counter, $0.element)
    }
    return classes + [
      http("downstream_cx_total", .counter, counters.connectionsTotal),
      http("downstream_cx_active", .gauge, counters.connectionsActive),
      http("downstream_rq_total", .counter, counters.requestsTotal),
      listener("downstream_cx_total", .counter, counters.connectionsTotal),
      listener("downstream_cx_active", .gauge, counters.connectionsActive),
      listener("downstream_cx_overflow", .counter, counters.connectionsOverflow),
    ]
  }
}
