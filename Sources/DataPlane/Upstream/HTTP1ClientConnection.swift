// An HTTP/1.1 connection to an endpoint, one request at a time, kept in a pool between requests.
//
//     connecting --> idle or busy <--> busy or idle
//          |               |
//          +---------------+--> closed
//
// The request's owner (`UpstreamHandler`) writes through `encodeHead`, `write` and `finish`, and
// hears the response through its own methods. A connection is given back by itself when the
// response and the request are both whole and nothing says otherwise.
//
// Threading: belongs to its worker.

import Model

final class HTTP1ClientConnection: UpstreamSocketHandler {
  private enum State { case connecting, busy, idle, closed }
  private enum Body { case none, length(UInt64), chunked, trailers, untilClose }

  let cluster: ClusterRuntime
  let endpoint: EndpointRuntime
  let id: UInt64
  /// What the present request has cost on the wire.
  private(set) var bytes = WireBytes()
  private var localAddress: SocketAddress?
  private unowned(unsafe) let pool: HTTP1Pool
  private(set) var socket: StreamSocket!
  /// While several addresses are tried.
  private var eyeballs: HappyEyeballs?
  private var state = State.connecting
  private var owner: UpstreamHandler?

  private var parser = HTTP1HeadParser(.response)
  private var decoder = ChunkedDecoder()
  private var body = Body.none
  /// The head has been read; `body` says what follows.
  private var inBody = false
  private var requestDone = false
  private var responseToHead = false
  /// The request asks for an upgrade.
  private var isTunnel = false
  private var isConnect = false
  private var requestKeepsAlive = true
  private var requests: UInt32 = 0
  private var framing = HTTP1Encoder.Framing.none
  /// Nil where nobody wants to know how names were written.
  private let recorder: HeadRecorder?
  private var timer = LazyTimer()
  /// Connect or idle deadline; `.max` while neither is running.
  private var deadline: UInt64 = .max
  private var openedAt: UInt64 = 0
  /// When it takes no further request; `.max`: never.
  private var lastRequestBy: UInt64 = .max
  private var isLast = false
  private let drainGeneration: UInt32
  private var receivedReported: UInt64 = 0
  private var sentReported: UInt64 = 0

  init(pool: HTTP1Pool, cluster: ClusterRuntime, endpoint: EndpointRuntime) {
    self.pool = pool
    self.cluster = cluster
    self.endpoint = endpoint
    recorder = cluster.model.http1.names.recorder
    drainGeneration = pool.drainGeneration
    id = cluster.context.nextConnectionID()
  }

  /// A system call, the first time.
  func findLocalAddress() -> SocketAddress? {
    if localAddress == nil, socket != nil, !socket.isClosed {
      localAddress = ListenSocketAddress.local(of: socket.descriptor)
    }
    return localAddress
  }

  // MARK: For the pool

  /// A request has got the connection.
  @inline(__always)
  func take(_ owner: UpstreamHandler) {
    self.owner = owner
    begin()
  }

  /// The request in flight is another owner's from now on; what has come of its response's head is
  /// the owners' own affair.
  func handOver(to owner: UpstreamHandler) { self.owner = owner }

  private func begin() {
    state = .busy
    deadline = .max
    parser = HTTP1HeadParser(.response)
    inBody = false
    requestDone = false
    bytes = WireBytes()
    requests &+= 1
  }

  /// The pool hears the outcome later, never from inside.
  func connect() {
    if !pool.isRaw { cluster.counters.add(.connectionHTTP1Total) }
    endpoint.connectionBegan(pool.priority)
    let reactor = cluster.context.reactor
    openedAt = reactor.now
    if cluster.maxConnectionDuration > 0 {
      lastRequestBy = reactor.now &+ cluster.maxConnectionDuration
    }
    deadline = reactor.now &+ cluster.connectTimeout
    timer.ensure(by: Swift.min(deadline, lastRequestBy), target: self, wheel: reactor.timers)
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

  /// A failure found inside `connect` is told when its caller has returned.
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
    isTunnel = head.isTunnel
    isConnect = head.method == .connect
    let limit = cluster.model.maxRequestsPerConnection ?? .max
    requestKeepsAlive = requests < limit
    if !requestKeepsAlive { cluster.counters.add(.connectionMaxRequests) }
    let before = socket.outbound.byteCount
    let line = HTTP1Encoder.request(
      head, framing: framing, keepAlive: true, properNames: cluster.properNames, to: socket.outbound)
    bytes.wireSent = UInt64(socket.outbound.byteCount &- before)
    bytes.headSent = bytes.wireSent &- UInt64(line)
    socket.scheduleFlush()
  }

  /// There is no head: what is written and read are plain bytes, to the end.
  func beginRaw() {
    framing = .none
    isTunnel = true
    inBody = true
    body = .untilClose
  }

  /// Owns the slice.
  @inline(__always)
  func write(_ slice: Slice) {
    let before = socket.outbound.byteCount
    defer { bytes.wireSent &+= UInt64(socket.outbound.byteCount &- before) }
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
      let before = socket.outbound.byteCount
      HTTP1Encoder.lastChunk(trailers: trailers, to: socket.outbound)
      bytes.wireSent &+= UInt64(socket.outbound.byteCount &- before)
      socket.scheduleFlush()
    }
    requestDone = true
    if isTunnel { socket.shutdownWriting() }
  }

  /// Bytes waiting to be written.
  var backlog: Int { socket.outbound.byteCount }

  /// `upstreamDrained` follows when nothing waits any more.
  func notifyWhenDrained() { socket.notifyWhenDrained() }

  func pauseReading() { socket.pauseReading() }
  func continueReading() { socket.continueReading() }

  /// The owner does not want the response any more.
  func cancel() {
    guard state == .busy else { return }
    owner = nil
    close(byPeer: false, hadRequest: true)
  }

  // MARK: The response

  override func socketConnected() {
    guard state == .connecting else { return }
    deadline = .max
    cluster.histograms.record(.connectTime, from: openedAt, to: cluster.context.reactor.now)
    pool.connected(self)
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
      close(byPeer: false)
    }
  }

  /// True to go on.
  private func readHead() -> Bool {
    guard let owner, !socket.inbound.isEmpty else { return false }
    if parser.isFresh {
      owner.response.reset()
      recorder?.reset()
    }
    recorder?.record(socket.inbound.bytes, socket.inbound.count, limit: cluster.responseLimits.maxBytes)
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
    recorder?.finish(head, length: length)
    socket.inbound.consume(length)
    bytes.wireReceived &+= UInt64(length)
    if let error = HTTP1FieldRules.checkResponse(head) {
      failProtocol(error)
      return false
    }
    HTTP1FieldRules.removeNominated(head)
    parser = HTTP1HeadParser(.response)
    if head.status < 200 {
      if head.status == 101, isTunnel, head.hasUpgrade {
        inBody = true
        body = .untilClose
        owner.upstreamHead(end: false)
        return state == .busy
      }
      if head.status == 101 {
        failProtocol(.badStatusLine)
        return false
      }
      owner.upstreamInformational()
      return state == .busy
    }
    inBody = true
    if isConnect, head.status < 300 {
      // Whatever it says of a body (RFC 9110 section 9.3.6).
      body = .untilClose
      owner.upstreamHead(end: false)
      return state == .busy
    }
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
      bytes.wireReceived &+= UInt64(count)
      owner.upstreamData(slice)
      if remaining == UInt64(count), state == .busy { complete() }
      return state == .busy
    case .untilClose:
      bytes.wireReceived &+= UInt64(socket.inbound.count)
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
      bytes.wireReceived &+= UInt64(consumed)
      return false
    case .data(let offset, let count):
      bytes.wireReceived &+= UInt64(offset + count)
      if offset > 0 { socket.inbound.consume(offset) }
      owner.upstreamData(socket.inbound.take(count))
      return state == .busy
    case .trailers:
      socket.inbound.consume(consumed)
      bytes.wireReceived &+= UInt64(consumed)
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
      bytes.wireReceived &+= UInt64(length)
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
      socket.outbound.isEmpty, mayServeMore
    {
      becomeIdle()
      pool.requestEnded(self)
    } else {
      if !socket.inbound.isEmpty { cluster.counters.add(.connectionProtocolError) }
      close(byPeer: false)
    }
    owner.upstreamEnd()
  }

  /// False: it closes when it has nothing to do.
  var mayServeMore: Bool {
    !isLast && !endpoint.isRetired && !cluster.isRetired && drainGeneration == pool.drainGeneration
  }

  /// No request has it. The pool keeps it.
  func becomeIdle() {
    reportBytes()
    state = .idle
    if let idle = cluster.idleTimeout {
      deadline = cluster.context.reactor.now &+ idle
      timer.ensure(by: deadline, target: self, wheel: cluster.context.reactor.timers)
    }
    if socket.readingPaused { socket.continueReading() }
  }

  private func failProtocol(_ error: HTTP1Error) {
    bytes.wireReceived &+= UInt64(socket.inbound.count)
    cluster.counters.add(.connectionProtocolError)
    cluster.context.log(.debug, "upstream", "\(endpoint.model.address): \(error.text)")
    end(.protocolError(error))
  }

  // MARK: The end

  override func socketEnded() {
    switch state {
    case .idle:
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
      close(byPeer: true)
    case .closed:
      break
    }
  }

  override func socketDrained() { owner?.upstreamDrained() }

  override func timerFired(now: UInt64) {
    timer.fired()
    guard state != .closed else { return }
    if now >= lastRequestBy {
      lastRequestBy = .max
      isLast = true
      cluster.counters.add(.connectionMaxDuration)
      if state == .idle {
        close(byPeer: false)
        return
      }
    }
    let next = Swift.min(deadline, lastRequestBy)
    guard next != .max else { return }
    if now < next {
      timer.ensure(by: next, target: self, wheel: cluster.context.reactor.timers)
      return
    }
    if state == .connecting {
      cluster.counters.add(.connectionConnectTimeout)
      countConnectFailure()
      end(.connectTimeout)
    } else if state == .idle {
      cluster.counters.add(.connectionIdleTimeout)
      close(byPeer: false)
    }
  }

  func closeIdle() {
    guard state == .idle else { return }
    close(byPeer: false)
  }

  /// The request, or those that wait for the connection, hear why.
  private func end(_ failure: UpstreamFailure, byPeer: Bool = false) {
    if state == .connecting {
      close(byPeer: byPeer, failure: failure)
      return
    }
    let owner = owner
    self.owner = nil
    close(byPeer: byPeer, hadRequest: owner != nil)
    owner?.upstreamFailed(failure)
  }

  private func close(
    byPeer: Bool, hadRequest: Bool = false, failure: UpstreamFailure? = nil
  ) {
    let ending: HTTP1Pool.Ending
    switch state {
    case .closed: return
    case .connecting: ending = .connecting
    case .busy: ending = .busy
    case .idle: ending = .idle
    }
    state = .closed
    if socket != nil {
      reportBytes()
      socket.close()
    }
    eyeballs?.cancel()
    eyeballs = nil
    timer.cancel(wheel: cluster.context.reactor.timers)
    countClose(byPeer: byPeer, wasBusy: hadRequest)
    pool.closed(self, ending, failure: failure)
  }

  private func countClose(byPeer: Bool, wasBusy: Bool) {
    endpoint.connectionEnded(pool.priority)
    let counters = cluster.counters
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
