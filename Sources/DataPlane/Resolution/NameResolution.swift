// The thread that resolves the names of DNS clusters, so that no worker ever waits for a server.
// It has a reactor of its own and starts with the first cluster that has names.
//
// Threading: `begin`, `keep` and `stop` are the control side's; the rest runs on the thread.
import CMartletSystem
import Model

final class NameResolution: @unchecked Sendable {
  private let mailbox = Mailbox()
  private let stats: StatRegistry
  private let log: Log
  /// Not a worker's: counts of its own.
  private let statIndex: Int
  private let publish: @Sendable (Cluster) -> Void
  private let resolved: ResolvedEndpoints
  /// Clusters whose first answers are waited for.
  private let waiting = Locked<Set<Cluster>>([])
  /// Whether the thread runs; the control side's.
  private let started = Locked(false)
  private var thread = pthread_t()

  // On the thread only.
  private var reactor: Reactor?
  private var clusters: [Cluster: ClusterResolution] = [:]
  private var channels: [DNSResolver: DNSChannel] = [:]

  init(
    stats: StatRegistry, statIndex: Int, log: Log, resolved: ResolvedEndpoints,
    publish: @escaping @Sendable (Cluster) -> Void
  ) {
    self.stats = stats
    self.statIndex = statIndex
    self.log = log
    self.resolved = resolved
    self.publish = publish
  }

  // MARK: Control side

  /// Begins with the clusters that are new, and waits until those of them that warm have been
  /// answered or have failed. False: `isCancelled` said so first.
  func begin(_ list: [Cluster], isCancelled: () -> Bool) throws(SystemError) -> Bool {
    let named = list.compactMap { cluster -> (Cluster, DNSDiscovery)? in
      if case .dns(let options) = cluster.discovery { (cluster, options) } else { nil }
    }
    if named.isEmpty { return true }
    try startThread()
    waiting.withLock { waiting in
      for (cluster, options) in named where options.warms { waiting.insert(cluster) }
    }
    mailbox.post { [self, named] in
      for (cluster, options) in named { begin(cluster, options) }
    }
    while waiting.withLock({ !$0.isEmpty }) {
      if isCancelled() { return false }
      var pause = timespec(tv_sec: 0, tv_nsec: 1_000_000)
      nanosleep(&pause, nil)
    }
    return true
  }

  /// Ends all other clusters.
  func keep(_ list: [Cluster]) {
    guard started.withLock({ $0 }) else { return }
    let kept = Set(list)
    mailbox.post { [self] in
      for (cluster, resolution) in clusters where !kept.contains(cluster) {
        resolution.stop()
        clusters[cluster] = nil
      }
    }
  }

  func stop() {
    guard started.withLock({ $0 }) else { return }
    mailbox.post { [self] in reactor?.stop() }
    pthread_join(thread, nil)
    started.withLock { $0 = false }
  }

  private func startThread() throws(SystemError) {
    if started.withLock({ $0 }) { return }
    reactor = try Reactor()
    let code = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<NameResolution>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue().main()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    if code != 0 { throw SystemError(call: "pthread_create", code: code) }
    started.withLock { $0 = true }
  }

  // MARK: Thread

  private func main() {
    martlet_name_thread("dns")
    guard let reactor else { return }
    mailbox.attach(to: reactor)
    reactor.run()
    for resolution in clusters.values { resolution.stop() }
    clusters.removeAll()
    channels.removeAll()
    reactor.unregister(mailbox)
  }

  private func begin(_ cluster: Cluster, _ options: DNSDiscovery) {
    guard let reactor, clusters[cluster] == nil else {
      _ = waiting.withLock { $0.remove(cluster) }
      return
    }
    let channel = channels[options.resolver] ?? DNSChannel(options.resolver, reactor: reactor)
    channels[options.resolver] = channel
    let counters = stats.counters(
      DiscoveryStat.self, scope: .cluster(cluster.statName), worker: statIndex)
    let resolution = ClusterResolution(
      cluster, options, channel: channel, reactor: reactor, counters: counters,
      resolved: resolved, log: log, publish: publish,
      finished: { [waiting] in _ = waiting.withLock { $0.remove(cluster) } })
    clusters[cluster] = resolution
    resolution.start()
  }
}
