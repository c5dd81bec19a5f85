// What the admin API shows of this process.
import Admin
import DataPlane
import Model

extension ProxyServer {
  var adminSource: AdminSource {
    AdminSource(
      state: { [self] in shared.withLock { $0.lifecycle.state } },
      statistics: { [self] in statistics() },
      listeners: { [self] in
        dataPlane.listenerStatus().map { ListenerReport(name: $0.name, addresses: $0.addresses) }
      },
      clusters: { [self] in dataPlane.clusterStatus().map(Self.report) },
      serverInformation: { [self] in serverInformation() },
      quit: { [self] in
        shared.withLock { $0.quitRequested = true }
        SignalMask.wake()
      })
  }

  private static func report(_ cluster: ClusterStatus) -> ClusterReport {
    ClusterReport(
      name: cluster.name,
      endpoints: cluster.endpoints.map { endpoint in
        ClusterReport.Endpoint(
          address: endpoint.address, hostname: endpoint.hostname, weight: endpoint.weight,
          counters: endpoint.counters.map { .init(name: "\($0.name)", value: $0.value) },
          locality: endpoint.locality, priority: endpoint.priority, health: endpoint.health)
      }, circuitBreakers: cluster.circuitBreakers)
  }

  private func serverInformation() -> ServerInformation {
    ServerInformation(
      version: Version.text, state: shared.withLock { $0.lifecycle.state },
      uptime: began.duration(to: .now), commandLineOptions: options.report(baseID: baseID?.id),
      node: configuration.node)
  }
}
