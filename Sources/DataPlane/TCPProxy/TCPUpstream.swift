// The upstream half of a TCP proxy session.

final class TCPUpstream: UpstreamSocketHandler {
  private let cluster: ClusterRuntime
  private let endpoint: EndpointRuntime
  private weak var session: TCPProxySession?
  private(set) var socket: StreamSocket?
  /// While several addresses are tried.
  private var eyeballs: HappyEyeballs?
  private var connecting = true
  private var closed = false
  private var openedAt: UInt64 = 0
  private var timer = LazyTimer()
  private var deadline: UInt64 = .max

  init(cluster: ClusterRuntime, endpoint: EndpointRuntime, session: TCPProxySession) {
    self.cluster = cluster
    self.endpoint = endpoint
    self.session = session
  }

  func connect() {
    endpoint.connectionBegan(.normal)
    let reactor = cluster.context.reactor
    openedAt = reactor.now
    deadline = reactor.now &+ cluster.connectTimeout
    timer.ensure(by: deadline, target: self, wheel: reactor.timers)
    if endpoint.addresses.count > 1 {
      let eyeballs = HappyEyeballs(endpoint.addresses, cluster: cluster, handler: self)
      self.eyeballs = eyeballs
      eyeballs.start()
      return
    }
    do {
      socket = try cluster.openSocket(
        to: endpoint.addresses[0], self, reactor: reactor)
    } catch {
      failLater(error.code)
    }
  }

  override func adopt(_ socket: StreamSocket) {
    self.socket = socket
    eyeballs = nil
  }

  private func failLater(_ code: Int32) {
    cluster.context.reactor.defer { [self] in connectFailed(code) }
  }

  /// `code`: errno; 0: it took too long.
  private func connectFailed(_ code: Int32) {
    guard !closed else { return }
    cluster.counters.add(.connectionConnectFail)
    endpoint.counters.add(.connectionConnectFail)
    let session = session
    close(byPeer: false)
    session?.upstreamConnectFailed(code)
  }

  override func socketConnected() {
    connecting = false
    deadline = .max
    cluster.histograms.record(.connectTime, from: openedAt, to: cluster.context.reactor.now)
    session?.upstreamConnected()
  }

  override func socketReceived() {
    guard let socket, let session else { return }
    session.upstreamReceived(socket)
  }

  override func socketEnded() { session?.upstreamHalfClosed() }

  override func socketDrained() { session?.upstreamDrained() }

  override func socketFailed(_ code: Int32) {
    if connecting {
      connectFailed(code)
      return
    }
    let session = session
    close(byPeer: true)
    session?.upstreamFailed()
  }

  override func timerFired(now: UInt64) {
    timer.fired()
    guard connecting, !closed else { return }
    if now < deadline {
      timer.ensure(by: deadline, target: self, wheel: cluster.context.reactor.timers)
      return
    }
    cluster.counters.add(.connectionConnectTimeout)
    connectFailed(0)
  }

  func close(byPeer: Bool) {
    guard !closed else { return }
    closed = true
    let counters = cluster.counters
    if let socket {
      counters.add(.connectionBytesReceived, socket.bytesReceived)
      counters.add(.connectionBytesSent, socket.bytesSent)
      socket.close()
    }
    eyeballs?.cancel()
    eyeballs = nil
    timer.cancel(wheel: cluster.context.reactor.timers)
    endpoint.connectionEnded(.normal)
    counters.add(.connectionDestroy)
    counters.add(byPeer ? .connectionDestroyRemote : .connectionDestroyLocal)
    cluster.histograms.record(.connectionLength, from: openedAt, to: cluster.context.reactor.now)
  }
}
