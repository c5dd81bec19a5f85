// One name of a cluster: asked for again and again, by the clock, by its time to live, or after a
// failure with growing patience.
//
//     ask -> answer  -> wait refresh rate (or time to live) + jitter -> ask
//         -> failure -> wait base ... max, twice as long each time   -> ask
//
// Threading: belongs to the resolution thread.
import CMartletSystem
import Model

final class TargetResolution: TimerTarget {
  private let target: DNSDiscovery.Target
  private let options: DNSDiscovery
  private unowned let cluster: ClusterResolution
  private let channel: DNSChannel
  private let reactor: Reactor
  private let counters: Counters<DiscoveryStat>
  private var timer = TimerID.none
  private var failures: UInt64 = 0
  private var isStopped = false
  /// It has been answered, or has failed, once.
  private(set) var isDecided = false
  /// What the name is at the moment, in the order in which the addresses came first.
  private(set) var endpoints: [Endpoint] = []

  init(
    _ target: DNSDiscovery.Target, _ options: DNSDiscovery, cluster: ClusterResolution,
    channel: DNSChannel, reactor: Reactor, counters: Counters<DiscoveryStat>
  ) {
    self.target = target
    self.options = options
    self.cluster = cluster
    self.channel = channel
    self.reactor = reactor
    self.counters = counters
  }

  func ask() {
    counters.add(.attempt)
    let (first, second): (Int32, Int32?) =
      switch options.family {
      case .auto: (AF_INET6, AF_INET)
      case .v4Preferred: (AF_INET, AF_INET6)
      case .v4Only: (AF_INET, nil)
      case .v6Only: (AF_INET6, nil)
      case .all: (AF_UNSPEC, nil)
      }
    ask(first, otherwise: second)
  }

  /// The second family is asked for where the first has nothing.
  private func ask(_ family: Int32, otherwise second: Int32?) {
    channel.ask(target.name, family: family) { [self] answer in
      if isStopped { return }
      if let second {
        if case .addresses(let found, _) = answer, !found.isEmpty {
          finish(answer)
        } else {
          ask(second, otherwise: nil)
        }
      } else {
        finish(answer)
      }
    }
  }

  func stop() {
    isStopped = true
    reactor.timers.cancel(&timer)
  }

  override func timerFired(now: UInt64) {
    timer = .none
    ask()
  }

  // MARK: Answers

  private func finish(_ answer: DNSAnswer) {
    isDecided = true
    switch answer {
    case .failed(let reason):
      counters.add(.failure)
      cluster.log(.debug, "upstream", "\(cluster.model.name): \(target.name): \(reason)")
      wait(afterFailure())
      cluster.decided()
    case .addresses(let found, let timeToLive):
      counters.add(.success)
      failures = 0
      var interval = options.refreshRate.clampedNanoseconds
      if options.respectsTTL, timeToLive > 0 { interval = UInt64(timeToLive) * 1_000_000_000 }
      let jitter = options.jitter.clampedNanoseconds / 1_000_000
      if jitter > 0 { interval += cluster.random.next(below: Swift.min(jitter, .max >> 32)) * 1_000_000 }
      wait(interval)
      take(found)
    }
  }

  private func wait(_ nanoseconds: UInt64) {
    reactor.timers.cancel(&timer)
    timer = reactor.timers.add(self, at: reactor.now &+ nanoseconds)
  }

  /// A random part of a time that doubles up to the limit, but no less than a millisecond.
  private func afterFailure() -> UInt64 {
    guard let refresh = options.failureRefresh else { return options.refreshRate.clampedNanoseconds }
    let base = Swift.max(refresh.base.clampedNanoseconds / 1_000_000, 1)
    let limit = Swift.max(refresh.max.clampedNanoseconds / 1_000_000, base)
    let factor = UInt64(1) << Swift.min(failures, 32)
    let (product, overflow) = base.multipliedReportingOverflow(by: factor)
    failures += 1
    let ceiling = overflow ? limit : Swift.min(product, limit)
    let drawn = cluster.random.next(below: Swift.min(ceiling, .max >> 32))
    return Swift.max(drawn, 1) * 1_000_000
  }

  private func take(_ found: [IPAddress]) {
    if options.isLogical {
      // An answer without an address says nothing of where the host is.
      guard let first = found.first else {
        counters.add(.empty)
        cluster.decided()
        return
      }
      var endpoint = endpoint(first)
      if options.family == .all {
        endpoint.additionalAddresses = found.dropFirst().map { .ip($0, port: target.port) }
      }
      replace([endpoint])
      return
    }
    if found.isEmpty { counters.add(.empty) }
    // Who was here stays where it was: an answer in another order changes nothing.
    let wanted = Set(found)
    var next = endpoints.filter { endpoint in
      if case .ip(let ip, _) = endpoint.address { wanted.contains(ip) } else { false }
    }
    let kept = Set(next.map(\.address))
    next += found.map(endpoint).filter { !kept.contains($0.address) }
    replace(next)
  }

  private func endpoint(_ address: IPAddress) -> Endpoint {
    var endpoint = target.template
    endpoint.address = .ip(address, port: target.port)
    return endpoint
  }

  private func replace(_ next: [Endpoint]) {
    if next == endpoints {
      counters.add(.noRebuild)
      cluster.decided()
    } else {
      endpoints = next
      cluster.changed()
    }
  }
}
