// An HTTP/1.1 connection to an endpoint, one request at a time, kept in the endpoint's pool
// between requests.
//
//     connecting --> busy --> idle --> busy ...
//          |           |        |
//          +-----------+--------+--> closed
//
// The request's owner (`UpstreamHandler`) writes through `encodeHead`, `write` and `finish`, and
// hears the response through its own methods. A connection is given back by itself when the
// response and the request are both whole and nothing says otherwise.
//
// Threading: belongs to its worker.

final class HTTP1ClientConnection: SocketHandler {
  private enum State { case connecting, busy, idle, closed }
  private enum Body { case none, length(UInt64), chunked, trailers, untilClose }

  let cluster: ClusterRuntime
  let endpoint: EndpointRuntime
  private(set) var socket: StreamSocket!
  private var state = State.connecting
  private var owner: UpstreamHandler?

  private var parser = HTTP1HeadParser(.response)
  private var decoder = ChunkedDecoder()
  private var body = Body.none
  /// The head has been read; `body` says what follows.
  private var inBody = false
  private var requestDone = false
  private var responseToHead = false
  private var requestKeepsAlive = true
  private var requests: UInt32 = 0
  private var framing = HTTP1Encoder.Framing.none
  private var timer = LazyTimer()
  /// Connect or idle deadline; `.max` while neither is running.
  private var deadline: UInt64 = .max
  private var openedAt: UInt64 = 0
  private var receivedReported: UInt64 = 0
  private var sentReported: UInt64 = 0

  private init(cluster: ClusterRuntime, endpoint: EndpointRuntime, owner: UpstreamHandler) {
    self.cluster = cluster
    self.endpoint = endpoint
    self.owner = owner
  }

  // MARK: Getting one

  /// A pooled connection, ready to write, or nil and a new one is connecting: `upstreamReady` or
  /// `upstreamFailed` follow, never from inside this call.
  static func acquire(
    cluster: ClusterRuntime, endpoint: EndpointRuntime, owner: UpstreamHandler
  ) -> (connection: HTTP1ClientConnection, isReady: Bool) {
    if let connection = endpoint.popIdle() {
      connection.take(owner)
      return (connection, true)
    }
    let connection = HTTP1ClientConnection(cluster: cluster, endpoint: endpoint, owner: owner)
    connection.connect()
    return (connection, false)
  }

  private func take(_ owner: UpstreamHandler) {
    self.owner = owner
    begin()
  }

  private func begin() {
    state = .busy
    deadline = .max
    parser = HTTP1HeadParser(.response)
    inBody = false
    requestDone = false
    requests &+= 1
  }

  private func connect() {
    let counters = cluster.counters
    counters.add(.connectionTotal)
    counters.add(.connectionActive)
    counters.add(.connectionHTTP1Total)
    endpoint.counters.add(.connectionTotal)
    endpoint.counters.add(.connectionActive)
    endpoint.connections += 1
    let reactor = cluster.context.reactor
    openedAt = reactor.now
    do {
      socket = try endpoint.connect(self, reactor: reactor)
    } catch {
      failLater(error.code)
      return
    }
    deadline = reactor.now &+ cluster.connectTimeout
    timer.ensure(by: deadline, target: self, wheel: reactor.timers)
  }

  /// A failure found inside `acquire` is told when its caller has returned.
  private func failLater(_ code: Int32) {
    cluster.context.reactor.defer { [self] in
      guard state == .connecting else { return }
      countConnectFailure()
      end(.connect(code))
    }
  }

  private func countConnectFailure() {
    cluster.counters.add(.connectionConnectFail)
    endpoint.counters.add(.connectionConnectFail)
  }

  // MARK: The request

  /// Writes the request's head. `framing` says what follows it.
  func encodeHead(_ head: MessageHead, framing: HTTP1Encoder.Framing) {
    self.framing = framing
    responseToHead = head.method == .head
    let limit = cluster.model.maxRequestsPerConnection ?? .max
    requestKeepsAlive = requests < limit
    if !requestKeepsAlive { cluster.counters.add(.connectionMaxRequests) }
    HTTP1Encoder.request(head, framing: framing, keepAlive: true, to: socket.outbound)
    socket.scheduleFlush()
  }

  /// Owns the slice.
  @inline(__always)
  func write(_ slice: Slice) {
    if framing == .chunked {
      HTTP1Encoder.chunkStart(slice.count, to: socket.outbound)
      socket.outbound.append(slice)
      HTTP1Encoder.chunkEnd(to: socket.outbound)
    } else {
      socket.outbound.append(slice)
    }
    socket.scheduleFlush()
  }

  /// The request is whole.
  func finish(trailers: MessageHead?) {
    if framing == .chunked {
      HTTP1Encoder.lastChunk(trailers: trailers, to: socket.outbound)
      socket.scheduleFlush()
    }
    requestDone = true
  }

  /// Bytes waiting to be written.
  var backlog: Int { socket.outbound.byteCount }

  /// `upstreamDrained` follows when nothing waits any more.
  func notifyWhenDrained() { socket.notifyWhenDrained() }

  func pauseReading() { socket.pauseReading() }
  func continueReading() { socket.continueReading() }

  /// The owner does not want the response any more.
  func cancel() {
    guard state == .connecting || state == .busy else { return }
    owner = nil
    close(byPeer: false, hadRequest: state == .busy)
  }

  // MARK: The response

  override func socketConnected() {
    deadline = .max
    cluster.histograms.record(.connectTime, from: openedAt, to: cluster.context.reactor.now)
    guard let owner else {
      close(byPeer: false)
      return
    }
    begin()
    owner.upstreamReady(self)
  }

  override func socketReceived() {
    while state == .busy, !socket.readingPaused {
      if inBody {
        if !readBody() { return }
      } else if !readHead() {
        return
      }
    }
    if state == .idle, !socket.inbound.isEmpty {
      // Nobody asked for these bytes: they can only confuse the next response.
      cluster.counters.add(.connectionProtocolError)
      endpoint.removeIdle(self)
      close(byPeer: false)
    }
  }

  /// True to go on.
  private func readHead() -> Bool {
    guard let owner, !socket.inbound.isEmpty else { return false }
    if parser.isFresh { owner.response.reset() }
    let outcome = parser.parse(
      socket.inbound.bytes, socket.inbound.count, into: owner.response,
      names: cluster.context.names, limits: cluster.responseLimits)
    switch outcome {
    case .needMore:
      return false
    case .failed(let error):
      failProtocol(error)
      return false
    case .complete(let length):
      return finishHead(owner, length)
    }
  }

  private func finishHead(_ owner: UpstreamHandler, _ length: Int) -> Bool {
    let head = owner.response
    head.headers.hold(socket.inbound.retainChunk())
    socket.inbound.consume(length)
    if let error = HTTP1FieldRules.checkResponse(head) {
      failProtocol(error)
      return false
    }
    HTTP1FieldRules.removeNominated(head)
    parser = HTTP1HeadParser(.response)
    if head.status < 200 {
      if head.status == 101 {
        failProtocol(.badStatusLine)
        return false
      }
      owner.upstreamInformational()
      return state == .busy
    }
    inBody = true
    chooseBody(head)
    if case .none = body {
      owner.upstreamHead(end: true)
      if state == .busy { complete() }
    } else {
      owner.upstreamHead(end: false)
    }
    return state == .busy
  }

  /// RFC 9112 section 6.3.
  private func chooseBody(_ head: MessageHead) {
    if responseToHead || head.status == 204 || head.status == 304 {
      body = .none
    } else if head.isChunked {
      decoder = ChunkedDecoder()
      body = .chunked
    } else if head.contentLength >= 0 {
      body = head.contentLength == 0 ? .none : .length(UInt64(head.contentLength))
    } else {
      body = .untilClose
    }
  }

  /// True to go on.
  private func readBody() -> Bool {
    guard let owner, !socket.inbound.isEmpty else { return false }
    switch body {
    case .none:
      return false
    case .length(let remaining):
      let count = Int(Swift.min(remaining, UInt64(socket.inbound.count)))
      let slice = socket.inbound.take(count)
      body = .length(remaining - UInt64(count))
      owner.upstreamData(slice)
      if remaining == UInt64(count), state == .busy { complete() }
      return state == .busy
    case .untilClose:
      owner.upstreamData(socket.inbound.take(socket.inbound.count))
      return state == .busy
    case .chunked:
      return readChunk(owner)
    case .trailers:
      return readTrailers(owner)
    }
  }

  private func readChunk(_ owner: UpstreamHandler) -> Bool {
    var consumed = 0
    switch decoder.next(socket.inbound.bytes, socket.inbound.count, consumed: &consumed) {
    case .needMore:
      socket.inbound.consume(consumed)
      return false
    case .data(let offset, let count):
      if offset > 0 { socket.inbound.consume(offset) }
      owner.upstreamData(socket.inbound.take(count))
      return state == .busy
    case .trailers:
      socket.inbound.consume(consumed)
      parser = HTTP1HeadParser(.trailers)
      owner.responseTrailers.reset()
      body = .trailers
      return true
    case .failed:
      failProtocol(.badChunk)
      return false
    }
  }

  private func readTrailers(_ owner: UpstreamHandler) -> Bool {
    let outcome = parser.parse(
      socket.inbound.bytes, socket.inbound.count, into: owner.responseTrailers,
      names: cluster.context.names, limits: cluster.responseLimits)
    switch outcome {
    case .needMore:
      return false
    case .failed:
      failProtocol(.badTrailer)
      return false
    case .complete(let length):
      owner.responseTrailers.headers.hold(socket.inbound.retainChunk())
      socket.inbound.consume(length)
      complete()
      return false
    }
  }

  /// The response is whole: the connection goes back to the pool or is closed, then the owner
  /// hears of it.
  private func complete() {
    guard let owner else { return }
    let head = owner.response
    let persistent =
      head.minorVersion == 1 ? !head.connectionClose : head.connectionKeepAlive && !head.connectionClose
    self.owner = nil
    var untilClose = false
    if case .untilClose = body { untilClose = true }
    if persistent, requestDone, requestKeepsAlive, !untilClose, socket.inbound.isEmpty, !socket.ended,
      socket.outbound.isEmpty, !cluster.isRetired
    {
      reportBytes()
      state = .idle
      if let idle = cluster.idleTimeout {
        deadline = cluster.context.reactor.now &+ idle
        timer.ensure(by: deadline, target: self, wheel: cluster.context.reactor.timers)
      }
      if socket.readingPaused { socket.continueReading() }
      endpoint.pushIdle(self)
    } else {
      if !socket.inbound.isEmpty { cluster.counters.add(.connectionProtocolError) }
      close(byPeer: false)
    }
    owner.upstreamEnd()
  }

  private func failProtocol(_ error: HTTP1Error) {
    cluster.counters.add(.connectionProtocolError)
    cluster.context.log(.debug, "upstream", "\(endpoint.model.address): \(error.text)")
    end(.protocolError(error))
  }

  // MARK: The end

  override func socketEnded() {
    switch state {
    case .idle:
      endpoint.removeIdle(self)
      close(byPeer: true)
    case .busy:
      if inBody, case .untilClose = body {
        complete()
      } else {
        end(.terminated, byPeer: true)
      }
    case .connecting, .closed:
      break
    }
  }

  override func socketFailed(_ code: Int32) {
    switch state {
    case .connecting:
      countConnectFailure()
      end(.connect(code), byPeer: true)
    case .busy:
      end(.reset(code), byPeer: true)
    case .idle:
      endpoint.removeIdle(self)
      close(byPeer: true)
    case .closed:
      break
    }
  }

  override func socketDrained() { owner?.upstreamDrained() }

  override func timerFired(now: UInt64) {
    timer.fired()
    guard state != .closed, deadline != .max else { return }
    if now < deadline {
      timer.ensure(by: deadline, target: self, wheel: cluster.context.reactor.timers)
      return
    }
    if state == .connecting {
      cluster.counters.add(.connectionConnectTimeout)
      countConnectFailure()
      end(.connectTimeout)
    } else if state == .idle {
      cluster.counters.add(.connectionIdleTimeout)
      endpoint.removeIdle(self)
      close(byPeer: false)
    }
  }

  func closeIdle() {
    guard state == .idle else { return }
    close(byPeer: false)
  }

  private func end(_ failure: UpstreamFailure, byPeer: Bool = false) {
    let owner = owner
    self.owner = nil
    close(byPeer: byPeer, hadRequest: owner != nil && state == .busy)
    owner?.upstreamFailed(failure)
  }

  private func close(byPeer: Bool, hadRequest: Bool = false) {
    if state == .closed { return }
    let wasBusy = hadRequest || (state == .busy && owner != nil)
    state = .closed
    if socket != nil {
      reportBytes()
      socket.close()
    }
    timer.cancel(wheel: cluster.context.reactor.timers)
    countClose(byPeer: byPeer, wasBusy: wasBusy)
  }

  private func countClose(byPeer: Bool, wasBusy: Bool) {
    endpoint.connections -= 1
    endpoint.counters.subtract(.connectionActive)
    let counters = cluster.counters
    counters.subtract(.connectionActive)
    counters.add(.connectionDestroy)
    counters.add(byPeer ? .connectionDestroyRemote : .connectionDestroyLocal)
    cluster.histograms.record(.connectionLength, from: openedAt, to: cluster.context.reactor.now)
    cluster.histograms.record(.requestsPerConnection, UInt64(requests))
    if wasBusy {
      counters.add(.connectionDestroyWithActiveRequest)
      counters.add(
        byPeer ? .connectionDestroyRemoteWithActiveRequest : .connectionDestroyLocalWithActiveRequest)
    }
  }

  private func reportBytes() {
    cluster.counters.add(.connectionBytesReceived, socket.bytesReceived &- receivedReported)
    cluster.counters.add(.connectionBytesSent, socket.bytesSent &- sentReported)
    receivedReported = socket.bytesReceived
    sentReported = socket.bytesSent
  }
}
