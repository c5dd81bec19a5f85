// What the admin API shows of this process.
import Admin
import DataPlane
import Model

extension ProxyServer {
  var adminSource: AdminSource {
    AdminSource(
      state: { [self] in state },
      statistics: { [self] in statisticsSinceReset() },
      histograms: { [self] in histograms() },
      listeners: { [self] in
        dataPlane.listenerStatus().map { ListenerReport(name: $0.name, addresses: $0.addresses) }
      },
      clusters: { [self] in dataPlane.clusterStatus().map(Self.report) },
      serverInformation: { [self] in serverInformation() },
      runtime: { [self] in shared.withLock { $0.runtime.report } },
      modifyRuntime: { [self] in modifyRuntime($0) },
      memory: { Self.memory() },
      configuration: { [self] in configurationReport() },
      logLevels: { [log] in
        LogComponent.allCases.map { ($0.rawValue, log.level(of: $0).name) }
          .sorted { $0.0 < $1.0 }
      },
      setLogLevel: { [self] in setLogLevel($0, $1) },
      // One way for both: the main thread has the admin's own access log as well.
      reopenLogs: { SignalMask.reopenLogs() },
      resetCounters: { [self] in resetCounters() },
      setHealthCheckFailed: { [self] failed in
        dataPlane.setHealthCheckFailed(failed)
        shared.withLock { $0.healthCheckFailed = failed }
        log.write(.info, .admin, failed ? "health checks fail" : "health checks pass")
      },
      drainListeners: { [self] in drainListeners($0) },
      plugins: { [self] in pluginReports() },
      reloadPlugins: { [self] in reload() },
      quit: { [self] in
        shared.withLock { $0.quitRequested = true }
        SignalMask.wake()
      })
  }

  private func pluginReports() -> [PluginInformation] {
    let values = dataPlane.stats()
    let costs = Dictionary(grouping: PluginCost.all(PluginTally.all), by: \.hash)
    let crashes = Dictionary(plugins.crashReports.map { ($0.hash, $0.crashes) }) { first, _ in first }
    return plugins.report().map { plugin in
      let prefix = "plugin.\(plugin.version.id).\(plugin.version.hash.prefix(12))."
      func count(_ name: String) -> UInt64 {
        values.first { $0.scope == .other(prefix) && $0.name == name }?.value ?? 0
      }
      return PluginInformation(
        id: plugin.version.id, version: plugin.version.version, hash: plugin.version.hash,
        path: plugin.path, abi: "1.\(plugin.abiMinor)", isPresent: plugin.isPresent,
        filters: plugin.filters.filter { $0.kind != .formatter }.map {
          .init(
            kind: $0.kind == .http ? "http" : "network", name: $0.name, types: $0.typeNames,
            routeTypes: $0.routeTypeNames)
        },
        formatters: plugin.filters.filter { $0.kind == .formatter }.map {
          .init(name: $0.name, operators: $0.operators, types: $0.typeNames)
        }, configurations: plugin.configurations, operatorUses: plugin.uses,
        streamsActive: count("streams_active"),
        streamsTotal: count("streams_total"), bytesHeld: plugin.bytesHeld,
        functions: (costs[plugin.version.hash] ?? []).map {
          .init(
            filter: $0.filter, name: $0.hook, calls: $0.calls, time: $0.time, overBudget: $0.over,
            bytesAllocated: $0.bytes)
        }, quarantine: plugin.quarantine?.rawValue ?? "",
        crashes: (crashes[plugin.version.hash] ?? []).map {
          .init(
            filter: $0.filter, function: $0.function,
            seconds: UInt64(max(0, $0.at.duration(to: .now).components.seconds)))
        })
    }
  }

  private func modifyRuntime(_ changes: [(key: String, text: String)]) -> Bool {
    let done = shared.withLock { $0.runtime.set(changes) }
    if done { dataPlane.setRuntime(shared.withLock { $0.runtime.values }) }
    return done
  }

  /// What health checkers are told: while health checks are made to fail, it is draining.
  var state: ServerState {
    shared.withLock { shared in
      let state = shared.lifecycle.state
      return state == .live && shared.healthCheckFailed ? .draining : state
    }
  }

  private static func memory() -> MemoryReport {
    let memory = ProcessMemory.allocator()
    return MemoryReport(
      allocated: memory.inUse, heapSize: memory.obtained,
      free: memory.obtained &- min(memory.inUse, memory.obtained),
      resident: ProcessMemory.resident())
  }

  private func setLogLevel(_ component: String?, _ name: String) -> LogLevelOutcome {
    guard let level = try? LogLevels.level(name) else { return .unknownLevel }
    var chosen: LogComponent?
    if let component {
      guard let known = LogComponent(envoyName: component) else { return .unknownComponent }
      chosen = known
    }
    log.setLevel(level, of: chosen)
    dataPlane.setLogLevel(log.minimumLevel)
    return .done
  }

  private func drainListeners(_ request: DrainRequest) {
    let stop: ListenerDrain.Stop =
      switch request.mode {
      case .stop: .atOnce
      case .drainThenStop: .afterDrainTime
      case .drain: .never
      }
    log.write(.info, .admin, "draining listeners\(request.inboundOnly ? ", inbound only" : "")")
    dataPlane.drainListeners(ListenerDrain(stop: stop, inboundOnly: request.inboundOnly))
  }

  private static func report(_ cluster: ClusterStatus) -> ClusterReport {
    ClusterReport(
      name: cluster.name,
      endpoints: cluster.endpoints.map { endpoint in
        ClusterReport.Endpoint(
          address: endpoint.address, hostname: endpoint.hostname, weight: endpoint.weight,
          counters: endpoint.counters.map { .init(name: "\($0.name)", value: $0.value) },
          locality: endpoint.locality, priority: endpoint.priority, health: endpoint.health,
          model: endpoint.model)
      }, circuitBreakers: cluster.circuitBreakers,
      overprovisioningFactor: cluster.overprovisioningFactor)
  }

  private func serverInformation() -> ServerInformation {
    ServerInformation(
      version: Version.text, state: state,
      uptime: began.duration(to: .now), commandLineOptions: options.report(baseID: baseID?.id),
      node: configuration.node)
  }
}
