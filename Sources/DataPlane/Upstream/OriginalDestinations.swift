// The endpoints of an ORIGINAL_DST cluster: made when a client wants to go there, forgotten when
// nobody has for a while and its connections are gone.
//
// Threading: belongs to its worker.
import CMartletSystem
import Model

final class OriginalDestinations: TimerTarget {
  private unowned(unsafe) let cluster: ClusterRuntime
  private var endpoints: [SocketAddress: EndpointRuntime] = [:]
  private let portOverride: UInt16?
  private let interval: UInt64
  private var timer = TimerID.none
  /// The header that names the destination; nil: the client's own counts.
  let header: HeaderID?
  private let shared: SharedEndpoints

  init(_ options: OriginalDestination, cluster: ClusterRuntime) {
    self.cluster = cluster
    portOverride = options.portOverride
    interval = Swift.max(options.cleanupInterval.clampedNanoseconds, 1_000_000)
    header = options.header.flatMap { cluster.context.names.intern(Array($0.utf8)) }
    shared = cluster.context.foundEndpoints
    super.init()
  }

  /// The endpoint for a destination. Nil where there is none to go to.
  func pick(_ destination: SocketAddress?) -> EndpointRuntime? {
    guard var destination, case .ip(let ip, let port) = destination else { return nobody() }
    if let portOverride { destination = .ip(ip, port: portOverride) } else if port == 0 { return nobody() }
    if let endpoint = endpoints[destination] {
      endpoint.isUsed = true
      return endpoint
    }
    return make(destination)
  }

  /// What the header says: `127.0.0.1:80` or `[::1]:80`. Nil, and counted, where it is neither.
  func destination(inHeader text: ByteView) -> SocketAddress? {
    if let destination = SocketAddress(text) { return destination }
    cluster.counters.add(.originalDestinationInvalid)
    return nil
  }

  private func nobody() -> EndpointRuntime? {
    cluster.counters.add(.connectionNoneHealthy)
    return nil
  }

  private func make(_ destination: SocketAddress) -> EndpointRuntime? {
    let model = Endpoint(address: destination)
    guard let endpoint = EndpointRuntime(model: model, cluster: cluster) else { return nobody() }
    endpoints[destination] = endpoint
    shared.add(model, to: cluster.model.name)
    countMembers()
    if timer == .none { arm() }
    return endpoint
  }

  private func arm() {
    let reactor = cluster.context.reactor
    timer = reactor.timers.add(self, at: reactor.now &+ interval)
  }

  override func timerFired(now: UInt64) {
    timer = .none
    for (destination, endpoint) in endpoints {
      if endpoint.isUsed || endpoint.isInUse {
        endpoint.isUsed = false
        continue
      }
      endpoints[destination] = nil
      shared.remove(endpoint.model, from: cluster.model.name)
      endpoint.retire()
      countMembers()
    }
    if !endpoints.isEmpty { arm() }
  }

  /// Workers find their own; the gauges are of all of them.
  private func countMembers() {
    cluster.counters.add(.membershipChange)
    cluster.counters.set(.membershipTotal, UInt64(endpoints.count))
    cluster.counters.set(.membershipHealthy, UInt64(endpoints.count))
  }

  func retire() {
    cluster.context.reactor.timers.cancel(&timer)
    for endpoint in endpoints.values {
      shared.remove(endpoint.model, from: cluster.model.name)
      endpoint.closeIdle()
    }
  }
}

extension SocketAddress {
  /// An IP address and a port as they stand in a header. Nil where it is anything else.
  init?(_ text: ByteView) {
    var split = text.count
    while split > 0, text[split - 1] != UInt8(ascii: ":") { split -= 1 }
    guard split > 1, split < text.count, text.count - split <= 5, text.count < 64 else { return nil }
    var port: UInt32 = 0
    for index in split..<text.count {
      guard text[index] >= 0x30, text[index] <= 0x39 else { return nil }
      port = port * 10 + UInt32(text[index] - 0x30)
    }
    var host = UnsafeBufferPointer(start: text.base, count: split - 1)[...]
    let isBracketed = host.first == UInt8(ascii: "[") && host.last == UInt8(ascii: "]")
    if isBracketed { host = host.dropFirst().dropLast() }
    guard port > 0, port <= 65_535, let ip = IPAddress(String(decoding: host, as: UTF8.self)),
      (ip.family == .v6) == isBracketed
    else { return nil }
    self = .ip(ip, port: UInt16(port))
  }
}

/// Endpoints that workers have found, for the control side to show. Touched when one comes or goes.
final class SharedEndpoints: Sendable {
  /// By cluster: each endpoint, and how many workers know it.
  private let found = Locked<[String: [Endpoint: Int]]>([:])

  func add(_ endpoint: Endpoint, to cluster: String) {
    found.withLock { $0[cluster, default: [:]][endpoint, default: 0] += 1 }
  }

  func remove(_ endpoint: Endpoint, from cluster: String) {
    found.withLock { found in
      guard let count = found[cluster]?[endpoint] else { return }
      found[cluster]?[endpoint] = count > 1 ? count - 1 : nil
    }
  }

  func endpoints(of cluster: String) -> [Endpoint] {
    found.withLock { ($0[cluster] ?? [:]).keys.sorted { "\($0.address)" < "\($1.address)" } }
  }
}
