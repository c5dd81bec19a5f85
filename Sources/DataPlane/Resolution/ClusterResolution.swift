// The names of one cluster, and the endpoints that they make together.
//
// Threading: belongs to the resolution thread.
import Model

final class ClusterResolution {
  let model: Cluster
  let log: Log
  var random = RandomSource()
  private let resolved: ResolvedEndpoints
  private let publish: (Cluster) -> Void
  private let finished: () -> Void
  private var targets: [TargetResolution] = []
  private var isDecided = false

  /// `publish`: the endpoints are others now. `finished`: all names are answered or have failed,
  /// once.
  init(
    _ model: Cluster, _ options: DNSDiscovery, channel: DNSChannel, reactor: Reactor,
    counters: Counters<DiscoveryStat>, resolved: ResolvedEndpoints, log: Log,
    publish: @escaping (Cluster) -> Void, finished: @escaping () -> Void
  ) {
    self.model = model
    self.resolved = resolved
    self.log = log
    self.publish = publish
    self.finished = finished
    targets = options.targets.map {
      TargetResolution(
        $0, options, cluster: self, channel: channel, reactor: reactor, counters: counters)
    }
  }

  func start() {
    for target in targets { target.ask() }
    decided()
  }

  func stop() {
    for target in targets { target.stop() }
    resolved.forget(model)
  }

  func changed() {
    // Two names may be the same host: it is one endpoint, the first one's.
    var seen = Set<SocketAddress>()
    let endpoints = targets.flatMap(\.endpoints).filter { seen.insert($0.address).inserted }
    resolved.set(endpoints, of: model)
    publish(model)
    decided()
  }

  func decided() {
    guard !isDecided, targets.allSatisfy(\.isDecided) else { return }
    isDecided = true
    finished()
  }
}
