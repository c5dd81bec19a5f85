// A copy of a request to another cluster (`config.route.v3.RouteAction.RequestMirrorPolicy`). Nobody
// waits for its response, and nothing it does can be felt by the request that it copies: it takes
// the body's bytes as they pass (the chunks are shared, not copied), and where it cannot keep up it is
// given up. It lives on when the request has ended, until its response has, or the route's time is over.

/// The shadows of one connection manager on one worker, those between requests included.
final class ShadowPool {
  private var spare: [ShadowRequest] = []
  private var isRetired = false
  fileprivate var active: [ObjectIdentifier: ShadowRequest] = [:]
  unowned(unsafe) let context: WorkerContext
  /// Each holds about 3 KiB.
  private static let maxSpare = 256

  init(context: WorkerContext) { self.context = context }

  fileprivate func take() -> ShadowRequest {
    let shadow = spare.popLast() ?? ShadowRequest(pool: self)
    active[ObjectIdentifier(shadow)] = shadow
    // A shadow may outlive its connection manager, and needs the pool to its end.
    shadow.keeper = self
    return shadow
  }

  fileprivate func giveBack(_ shadow: ShadowRequest) {
    let keeper = shadow.keeper
    shadow.keeper = nil
    active[ObjectIdentifier(shadow)] = nil
    if isRetired {
      // Frames of the shadow's own methods may still be on the stack.
      context.reactor.defer { withExtendedLifetime((shadow, keeper)) {} }
    } else if spare.count < ShadowPool.maxSpare {
      spare.append(shadow)
    }
  }

  /// The connection manager makes no more requests.
  func retire() {
    isRetired = true
    spare.removeAll()
  }

  /// A shadow of the request as it goes to its own upstream. Nil: it could not begin.
  func begin(
    _ mirror: MirrorRuntime, _ stream: HTTPStream, timeout: UInt64, isComplete: Bool
  ) -> ShadowRequest? {
    guard let cluster = mirror.target.find(stream.request, context.clusterDirectory) else { return nil }
    let shadow = take()
    return shadow.begin(mirror, stream, cluster, timeout: timeout, isComplete: isComplete) ? shadow : nil
  }
}

final class ShadowRequest: UpstreamHandler {
  private unowned(unsafe) let pool: ShadowPool
  fileprivate var keeper: ShadowPool?
  private let request = MessageHead()
  private var cluster: ClusterRuntime?
  private var endpoint: EndpointRuntime?
  private var connection: HTTP1ClientConnection?
  private var isActive = false
  private var sending = false
  private var isComplete = false
  /// The request that it copies has more to come and holds it.
  private var isAttached = false
  /// Body bytes that wait for the connection.
  private var waiting: [Slice] = []
  private var waitingBytes = 0
  private var timer = LazyTimer()

  fileprivate init(pool: ShadowPool) { self.pool = pool }

  private var context: WorkerContext { pool.context }

  fileprivate func begin(
    _ mirror: MirrorRuntime, _ stream: HTTPStream, _ cluster: ClusterRuntime, timeout: UInt64,
    isComplete: Bool
  ) -> Bool {
    self.isComplete = isComplete
    self.cluster = cluster
    isActive = true
    isAttached = false
    sending = false
    copy(stream.request)
    if let changes = mirror.changes {
      stream.withFormatContext(request) { changes.apply(to: request, &$0) }
    }
    setHost(mirror, stream.request.authority)
    introduce()
    guard let endpoint = cluster.pick() else {
      finish()
      return false
    }
    self.endpoint = endpoint
    if timeout > 0 {
      timer.ensure(by: context.reactor.now &+ timeout, target: self, wheel: context.reactor.timers)
    }
    switch endpoint.acquire(self, priority: mirror.priority) {
    case .ready(let connection):
      self.connection = connection
      send(connection)
    case .pending: break
    case .overflow, .noPool:
      finish()
      return false
    }
    isAttached = !isComplete
    return true
  }

  private func copy(_ original: MessageHead) {
    request.reset()
    let headers = request.headers
    request.method = original.method
    request.methodText = headers.keep(original.methodText)
    request.path = headers.keep(original.path)
    request.contentLength = original.contentLength
    request.isChunked = original.isChunked
    for index in 0..<original.headers.count {
      let entry = original.headers.entries[index]
      headers.addCopy(entry.id, name: entry.nameView, value: entry.valueView)
    }
  }

  /// The proxy itself is the client of the copy.
  private func introduce() {
    let headers = request.headers
    headers.set(.xEnvoyInternal, "x-envoy-internal", value: ShadowRequest.isInternal)
    ShadowRequest.ownAddress.withView {
      headers.append(.xForwardedFor, "x-forwarded-for", value: $0, separator: ",")
    }
  }

  private static var isInternal: ByteView {
    let text: StaticString = "true"
    return ByteView(text.utf8Start, text.utf8CodeUnitCount)
  }
  private static let ownAddress = Array("\(LocalNodeAddress.ipv4)".utf8)

  /// `-shadow` stands behind the name and before the port.
  private func setHost(_ mirror: MirrorRuntime, _ host: ByteView) {
    let text = context.scratch
    text.clear()
    if !mirror.host.isEmpty {
      text.append(mirror.host)
    } else if mirror.appendsSuffix {
      let name = host.withoutPort
      text.append(name)
      text.append("-shadow")
      text.append(host.dropFirst(name.count))
    } else {
      text.append(host)
    }
    request.authority = request.headers.keep(text.view)
  }

  // MARK: The request

  /// Shares the slice's bytes; the slice stays the caller's.
  func data(_ slice: Slice) {
    guard isActive, let cluster else { return }
    let limit = cluster.model.perConnectionBufferLimit
    if (connection?.backlog ?? 0) + waitingBytes + slice.count > limit {
      // It cannot keep up, and the request must not wait for it.
      giveUp()
      return
    }
    slice.chunk.retain()
    if sending, let connection {
      connection.write(slice)
    } else {
      waiting.append(slice)
      waitingBytes += slice.count
    }
  }

  /// The request is whole, and holds this no longer.
  func end() {
    isComplete = true
    if isActive, sending { connection?.finish(trailers: nil) }
    detach()
  }

  /// The request will not be completed, and holds this no longer.
  func abandon() {
    giveUp()
    detach()
  }

  private func detach() {
    guard isAttached else { return }
    isAttached = false
    if !isActive { pool.giveBack(self) }
  }

  private func giveUp() {
    guard isActive else { return }
    let connection = connection
    self.connection = nil
    let pool = waitsIn
    uncount(success: false)
    finish()
    if let connection { connection.cancel() } else { pool?.cancel(self) }
  }

  override func upstreamReady(_ connection: HTTP1ClientConnection) {
    self.connection = connection
    send(connection)
  }

  private func send(_ connection: HTTP1ClientConnection) {
    sending = true
    cluster?.counters.add(.requestTotal)
    cluster?.counters.add(.requestActive)
    endpoint?.counters.add(.requestTotal)
    endpoint?.counters.add(.requestActive)
    let framing: HTTP1Encoder.Framing =
      request.isChunked ? .chunked : request.contentLength >= 0 ? .contentLength : .none
    connection.encodeHead(request, framing: framing)
    let slices = waiting
    waiting.removeAll(keepingCapacity: true)
    waitingBytes = 0
    for slice in slices { connection.write(slice) }
    if isComplete { connection.finish(trailers: nil) }
  }

  // MARK: The response, which nobody sees

  override func upstreamEnd() {
    connection = nil
    uncount(success: response.status < 500)
    finish()
  }

  override func upstreamFailed(_ failure: UpstreamFailure) {
    connection = nil
    uncount(success: false)
    finish()
  }

  override func timerFired(now: UInt64) {
    timer.fired()
    cluster?.counters.add(.requestTimeout)
    giveUp()
  }

  override func upstreamHead(end: Bool) {
    // A copy is the proxy's own request, as in Envoy.
    cluster?.responses.count(response.status, isInternal: true, isCanary: false)
  }

  private func uncount(success: Bool) {
    guard sending else { return }
    cluster?.counters.subtract(.requestActive)
    endpoint?.counters.subtract(.requestActive)
    endpoint?.counters.add(success ? .requestSuccess : .requestError)
  }

  /// Forgets everything and is free for the next request.
  private func finish() {
    isActive = false
    sending = false
    timer.cancel(wheel: context.reactor.timers)
    for slice in waiting { slice.release() }
    waiting.removeAll(keepingCapacity: true)
    waitingBytes = 0
    cluster = nil
    endpoint = nil
    request.headers.clear()
    response.headers.clear()
    responseTrailers.headers.clear()
    if !isAttached { pool.giveBack(self) }
  }
}
