// The HTTP/1.1 codec towards clients (RFC 9112), the terminal filter of its connection. One
// request at a time; what a client pipelines behind it waits in the read buffer, so that answers
// come in order by construction.
//
//     head --> body --> responding --> head ...
//       |        |          |
//       +--------+----------+--> closing (flushing, then waiting for the peer's FIN)
//
// After an error nothing more is parsed: bytes behind it never become a second request.

final class HTTP1ServerConnection: HTTPServerCodec {
  private enum Phase { case head, body, responding, closing }
  private enum Body { case none, length(UInt64), chunked, trailers, tunnel }

  private var manager: HTTPManager
  /// Takes the manager's place with the next request.
  private var successor: HTTPManager?
  private var phase = Phase.head
  private var stream: HTTPStream?
  private var parser = HTTP1HeadParser(.request)
  private var decoder = ChunkedDecoder()
  private var body = Body.none
  private var framing = HTTP1Encoder.Framing.none
  /// Nil where nobody wants to know how names were written.
  private let recorder: HeadRecorder?
  private var processing = false
  private var requestPaused = false
  private var responsePaused = false
  private var outputFull = false
  /// The next answer closes the connection.
  private var isDraining = false
  private var durationReached = false
  /// The peer of a tunnel has sent its last byte.
  private var tunnelEnded = false
  private var requests: UInt32 = 0
  private var timer = LazyTimer()
  private var idleDeadline: UInt64 = .max
  private var durationDeadline: UInt64 = .max
  private var receivedReported: UInt64 = 0
  private var sentReported: UInt64 = 0

  /// Unread bytes behind a request in progress before the peer is no longer read.
  private static let pipelineLimit = 8 * 1024

  init(connection: Connection, manager: HTTPManager) {
    self.manager = manager
    recorder = manager.http1Names.recorder
    super.init(connection: connection)
    let counters = manager.counters
    counters.add(.connectionTotal)
    counters.add(.connectionActive)
    counters.add(.connectionHTTP1Total)
    counters.add(.connectionHTTP1Active)
  }

  private var reactor: Reactor { manager.context.reactor }

  override func start() {
    let now = reactor.now
    if manager.formatNeeds.contains(.downstreamLocal) { connection.rememberAddresses() }
    if manager.maxConnectionDuration > 0 { durationDeadline = now &+ manager.maxConnectionDuration }
    becomeIdle(now)
  }

  // MARK: Reading

  override func received() { process() }

  private func process() {
    if processing { return }
    processing = true
    while step() {}
    processing = false
  }

  /// One thing done; true to go on.
  @inline(__always)
  private func step() -> Bool {
    switch phase {
    case .head:
      if connection.inbound.isEmpty { return false }
      // A client that asks and does not read its answers is not asked for more.
      if connection.backlog > connection.bufferLimit {
        waitForOutput()
        return false
      }
      return readHead()
    case .body:
      return readBody()
    case .responding:
      if connection.inbound.count >= HTTP1ServerConnection.pipelineLimit {
        connection.socket.pauseReading()
      }
      return false
    case .closing:
      return false
    }
  }

  private func waitForOutput() {
    outputFull = true
    connection.socket.pauseReading()
    connection.socket.notifyWhenDrained()
  }

  private func readHead() -> Bool {
    let stream = stream ?? beginStream()
    recorder?.record(
      connection.inbound.bytes, connection.inbound.count, limit: manager.requestLimits.maxBytes)
    let outcome = parser.parse(
      connection.inbound.bytes, connection.inbound.count, into: stream.request,
      names: manager.context.names, limits: manager.requestLimits)
    switch outcome {
    case .needMore:
      armTimer()
      return false
    case .failed(let error):
      refuse(stream, error)
      return false
    case .complete(let length):
      stream.request.headers.hold(connection.inbound.retainChunk())
      recorder?.finish(stream.request, length: length)
      connection.inbound.consume(length)
      stream.info.downstream.wireReceived &+= UInt64(length)
      if manager.underscores != .allow, !takesNames(stream.request.headers) {
        refuse(stream, .underscoreInName)
        return false
      }
      if stream.request.minorVersion == 0, stream.request.hosts == 0, !manager.defaultHost.isEmpty {
        useDefaultHost(stream.request)
      }
      if let error = HTTP1FieldRules.checkRequest(stream.request, options: manager.requestRules) {
        refuse(stream, error)
        return false
      }
      beginRequest(stream)
      return true
    }
  }

  /// `headers_with_underscores_action`. False: the request is refused.
  private func takesNames(_ headers: HeaderMap) -> Bool {
    if manager.underscores == .reject {
      guard HTTP1Underscores.any(in: headers) else { return true }
      manager.codecCounters.add(.rejectedUnderscores)
      return false
    }
    manager.codecCounters.add(.droppedUnderscores, HTTP1Underscores.drop(from: headers))
    return true
  }

  private func beginStream() -> HTTPStream {
    if let successor { adopt(successor) }
    let stream = manager.takeStream()
    self.stream = stream
    stream.begin(codec: self)
    parser = HTTP1HeadParser(.request)
    recorder?.reset()
    idleDeadline = .max
    return stream
  }

  private func useDefaultHost(_ head: MessageHead) {
    let copy = head.headers.scratch(manager.defaultHost.count)
    for (index, byte) in manager.defaultHost.enumerated() { copy[index] = byte }
    head.authority = ByteView(UnsafePointer(copy), manager.defaultHost.count)
    head.hosts = 1
  }

  private func beginRequest(_ stream: HTTPStream) {
    let head = stream.request
    HTTP1FieldRules.removeNominated(head)
    requests &+= 1
    if requests >= manager.maxRequestsPerConnection {
      stream.closeAfterResponse = true
      manager.counters.add(.connectionMaxRequests)
    }
    if head.minorVersion == 1 ? head.connectionClose : !head.connectionKeepAlive {
      stream.closeAfterResponse = true
    }
    requestPaused = false
    responsePaused = false
    let end: Bool
    if head.method == .connect || (manager.takesUpgrades && wantsTunnel(head)) {
      if head.method == .connect, !prepareConnect(stream) { return }
      head.isTunnel = true
      body = .tunnel
      tunnelEnded = false
      // A tunnel has no end that a deadline for requests could mean.
      stream.requestDeadline = .max
      end = false
    } else if head.isChunked {
      body = .chunked
      decoder = ChunkedDecoder()
      end = false
    } else if head.contentLength > 0 {
      body = .length(UInt64(head.contentLength))
      end = false
    } else {
      body = .none
      end = true
    }
    phase = end ? .responding : .body
    if head.expectsContinue, !manager.proxiesContinue {
      // The answer that the client waits for before it sends its body (RFC 9110 section 10.1.1).
      // The upstream is not asked: what it would say comes as a final response anyway.
      head.headers.remove(.expect)
      if !end, head.minorVersion == 1, connection.inbound.isEmpty {
        connection.output.append("HTTP/1.1 100 Continue\r\n\r\n")
        connection.flush()
      }
    }
    stream.requestHead(end: end)
    armTimer()
  }

  /// An upgrade without a body of its own: what follows the head is the new protocol's. The upgrade
  /// to cleartext HTTP/2 is an offer that is passed over.
  private func wantsTunnel(_ head: MessageHead) -> Bool {
    head.hasUpgrade && head.connectionUpgrade && !head.isChunked && head.contentLength <= 0
      && head.minorVersion == 1 && head.headers.first(.upgrade)?.equalsIgnoringCase("h2c") != true
  }

  /// False: it has been refused. Nothing but the tunnel may follow the head (RFC 9110 section 9.3.6).
  private func prepareConnect(_ stream: HTTPStream) -> Bool {
    let head = stream.request
    if head.isChunked || head.contentLength > 0 {
      refuse(stream, head.isChunked ? .unsupportedTransferEncoding : .badContentLength)
      return false
    }
    head.headers.remove(.contentLength)
    head.contentLength = -1
    head.headers.remove(.upgrade)
    head.hasUpgrade = false
    return true
  }

  private func readTunnel(_ stream: HTTPStream) -> Bool {
    let slice = connection.inbound.take(connection.inbound.count)
    stream.info.downstream.wireReceived &+= UInt64(slice.count)
    stream.requestData(slice)
    return phase == .body
  }

  /// The client has said all that it has to say; the upstream may not have.
  private func endTunnel(_ stream: HTTPStream) {
    stream.closeAfterResponse = true
    endRequest(stream, trailers: nil)
  }

  private func readBody() -> Bool {
    guard let stream else { return false }
    if requestPaused {
      if connection.inbound.count >= HTTP1ServerConnection.pipelineLimit {
        connection.socket.pauseReading()
      }
      return false
    }
    if connection.inbound.isEmpty {
      if tunnelEnded, case .tunnel = body { endTunnel(stream) }
      return false
    }
    switch body {
    case .none:
      return false
    case .tunnel:
      return readTunnel(stream)
    case .length(let remaining):
      let count = Int(Swift.min(remaining, UInt64(connection.inbound.count)))
      let slice = connection.inbound.take(count)
      body = .length(remaining - UInt64(count))
      stream.info.downstream.wireReceived &+= UInt64(count)
      stream.requestData(slice)
      if remaining == UInt64(count), phase == .body { endRequest(stream, trailers: nil) }
      return phase != .closing
    case .chunked:
      return readChunk(stream)
    case .trailers:
      return readTrailers(stream)
    }
  }

  private func readChunk(_ stream: HTTPStream) -> Bool {
    var consumed = 0
    switch decoder.next(connection.inbound.bytes, connection.inbound.count, consumed: &consumed) {
    case .needMore:
      connection.inbound.consume(consumed)
      stream.info.downstream.wireReceived &+= UInt64(consumed)
      return false
    case .data(let offset, let count):
      stream.info.downstream.wireReceived &+= UInt64(offset + count)
      if offset > 0 { connection.inbound.consume(offset) }
      stream.requestData(connection.inbound.take(count))
    case .trailers:
      connection.inbound.consume(consumed)
      stream.info.downstream.wireReceived &+= UInt64(consumed)
      parser = HTTP1HeadParser(.trailers)
      stream.requestTrailers.reset()
      body = .trailers
    case .failed:
      refuse(stream, .badChunk)
      return false
    }
    return true
  }

  private func readTrailers(_ stream: HTTPStream) -> Bool {
    let outcome = parser.parse(
      connection.inbound.bytes, connection.inbound.count, into: stream.requestTrailers,
      names: manager.context.names, limits: manager.requestLimits)
    switch outcome {
    case .needMore:
      return false
    case .failed(let error):
      refuse(stream, error == .headTooLarge || error == .tooManyHeaders ? error : .badTrailer)
      return false
    case .complete(let length):
      stream.requestTrailers.headers.hold(connection.inbound.retainChunk())
      connection.inbound.consume(length)
      stream.info.downstream.wireReceived &+= UInt64(length)
      if manager.underscores != .allow, !takesNames(stream.requestTrailers.headers) {
        refuse(stream, .underscoreInName)
        return false
      }
      endRequest(stream, trailers: stream.requestTrailers)
      return true
    }
  }

  private func endRequest(_ stream: HTTPStream, trailers: MessageHead?) {
    body = .none
    phase = .responding
    stream.requestEnd(trailers: trailers)
  }

  /// A request that breaks the rules: one answer, then nothing more is read as HTTP.
  private func refuse(_ stream: HTTPStream, _ error: HTTP1Error) {
    let counters = manager.counters
    manager.context.log(.debug, "http", "\(connection.addresses.remote): \(error.text)")
    noteUnread(stream)
    if phase == .head {
      stream.countRequest()
      // Half a head is none, for what is logged; only a missing host leaves a whole one.
      if error != .missingHost { stream.forgetRequest() }
    }
    stream.closeAfterResponse = true
    stream.requestDeadline = .max
    switch error {
    case .headTooLarge, .tooManyHeaders:
      counters.add(.requestTooLarge)
      stream.reply(431, body: nil, flags: .downstreamProtocolError, details: error.details)
    case .unsupportedTransferEncoding:
      counters.add(.connectionProtocolError)
      stream.reply(
        501, body: "Not Implemented", flags: .downstreamProtocolError, details: error.details)
    case .http10Disabled, .badVersion:
      counters.add(.connectionProtocolError)
      stream.reply(
        426, body: "Upgrade Required", flags: .downstreamProtocolError, details: error.details)
    default:
      counters.add(.connectionProtocolError)
      stream.reply(
        400, body: "Bad Request",
        flags: error == .missingHost ? [] : .downstreamProtocolError, details: error.details)
    }
  }

  /// Bytes that came and are not part of anything read.
  private func noteUnread(_ stream: HTTPStream) {
    let unread = UInt64(connection.inbound.count)
    stream.info.downstream.wireReceived =
      phase == .head ? unread : stream.info.downstream.wireReceived &+ unread
  }

  // MARK: Writing

  override func encodeHead(_ stream: HTTPStream, end: Bool) {
    let head = stream.response
    framing = chooseFraming(stream, end: end)
    if !stream.closeAfterResponse,
      isDraining || manager.context.closesForDrain(isInbound: manager.isInbound)
    {
      manager.counters.add(.connectionDrainClose)
      stream.closeAfterResponse = true
    }
    if framing == .untilClose { stream.closeAfterResponse = true }
    let field: HTTP1Encoder.ConnectionField =
      stream.opensTunnel
      ? head.status == 101 ? .upgrade : .none
      : stream.closeAfterResponse ? .close : stream.request.minorVersion == 0 ? .keepAlive : .none
    let output = connection.output
    let before = output.byteCount
    let line = HTTP1Encoder.response(
      head, framing: framing, connection: field, properNames: manager.properNames, to: output)
    let written = UInt64(output.byteCount &- before)
    stream.info.downstream.wireSent &+= written
    stream.info.downstream.headSent &+= written &- UInt64(line)
    connection.flush()
  }

  private func chooseFraming(_ stream: HTTPStream, end: Bool) -> HTTP1Encoder.Framing {
    let head = stream.response
    if stream.opensTunnel { return .untilClose }
    if stream.request.method == .head || head.status == 204 || head.status == 304 { return .none }
    if end {
      if head.contentLength < 0 {
        head.headers.add(.contentLength, "content-length", decimal: 0)
      }
      return .contentLength
    }
    if head.contentLength >= 0 && !head.isChunked { return .contentLength }
    return stream.request.minorVersion == 1 ? .chunked : .untilClose
  }

  override func encodeInformational(_ stream: HTTPStream) {
    guard stream.request.minorVersion == 1 else { return }
    HTTP1Encoder.response(
      stream.response, framing: .none, connection: .none, properNames: manager.properNames,
      to: connection.output)
    connection.flush()
  }

  @inline(__always)
  override func encodeData(_ stream: HTTPStream, _ slice: Slice) {
    let output = connection.output
    let before = output.byteCount
    switch framing {
    case .chunked:
      HTTP1Encoder.chunkStart(slice.count, to: output)
      output.append(slice)
      HTTP1Encoder.chunkEnd(to: output)
    case .none:
      slice.release()
      return
    case .contentLength, .untilClose:
      output.append(slice)
    }
    stream.info.downstream.wireSent &+= UInt64(output.byteCount &- before)
    connection.flush()
    if connection.backlog > connection.bufferLimit, !responsePaused {
      responsePaused = true
      connection.socket.notifyWhenDrained()
      stream.pauseResponse(.downstream)
    }
  }

  override func drained() {
    if outputFull {
      outputFull = false
      connection.socket.continueReading()
    }
    guard responsePaused else { return }
    responsePaused = false
    if let stream {
      stream.lastActivity = reactor.now
      stream.continueResponse(.downstream)
    }
  }

  override func encodeEnd(_ stream: HTTPStream, trailers: MessageHead?) {
    if framing == .chunked {
      let output = connection.output
      let before = output.byteCount
      HTTP1Encoder.lastChunk(trailers: trailers, to: output)
      stream.info.downstream.wireSent &+= UInt64(output.byteCount &- before)
      connection.flush()
    }
    framing = .none
    let close = stream.closeAfterResponse || phase == .body || phase == .head
    self.stream = nil
    stream.release()
    reportBytes()
    if close {
      finishConnection()
      return
    }
    phase = .head
    becomeIdle(reactor.now)
    connection.socket.continueReading()
    if !processing, !connection.inbound.isEmpty { process() }
  }

  private func becomeIdle(_ now: UInt64) {
    if let successor { adopt(successor) }
    idleDeadline = manager.idleTimeout == 0 ? .max : now &+ manager.idleTimeout
    armTimer()
  }

  /// Flushes what has been answered and waits for the peer to see it.
  private func finishConnection() {
    phase = .closing
    timer.cancel(wheel: reactor.timers)
    connection.linger(timeout: manager.delayedCloseTimeout)
  }

  override func reset(_ stream: HTTPStream) {
    manager.counters.add(.requestResetSent)
    // Closing with a RST is the only way in HTTP/1 to say that a response is not whole when it is
    // framed by the connection's end, and a clear one when it is not.
    phase = .closing
    connection.close(reset: true)
  }

  override func pauseRequest(_ stream: HTTPStream) { requestPaused = true }

  override func continueRequest(_ stream: HTTPStream) {
    requestPaused = false
    connection.socket.continueReading()
    if !processing, !connection.inbound.isEmpty || tunnelEnded { process() }
  }

  // MARK: Time and the end

  override func deadlineChanged(_ stream: HTTPStream) { armTimer() }

  @inline(__always)
  private func armTimer() {
    if phase == .closing { return }
    var deadline = Swift.min(idleDeadline, durationDeadline)
    if let stream { deadline = Swift.min(deadline, stream.nextDeadline) }
    if deadline != .max { timer.ensure(by: deadline, target: self, wheel: reactor.timers) }
  }

  override func timerFired(now: UInt64) {
    timer.fired()
    guard phase != .closing, !connection.isClosed else { return }
    if let stream {
      if now >= stream.nextDeadline {
        if phase == .head { noteUnread(stream) }
        stream.checkDeadlines(now: now)
        guard phase != .closing, !connection.isClosed else { return }
      }
    } else if now >= idleDeadline {
      manager.counters.add(.connectionIdleTimeout)
      finishConnection()
      return
    }
    if now >= durationDeadline, endOfDuration(now) { return }
    armTimer()
  }

  /// `max_connection_duration`: the next answer closes; a connection that has asked for nothing
  /// after `drain_timeout` is closed, and not at once, when a request may be on its way. True when
  /// it has been.
  private func endOfDuration(_ now: UInt64) -> Bool {
    if !durationReached {
      durationReached = true
      isDraining = true
      manager.counters.add(.connectionMaxDuration)
      durationDeadline = manager.waitsForLastRequest ? .max : now &+ manager.drainTimeout
      return false
    }
    durationDeadline = .max
    if stream != nil { return false }
    finishConnection()
    return true
  }

  override func ended() {
    if case .tunnel = body, let stream, phase == .body, stream.isUpgraded {
      tunnelEnded = true
      if connection.inbound.isEmpty { endTunnel(stream) }
      return
    }
    // As Envoy and nginx: a client that has closed its side is gone, unless its answer is already
    // on the way.
    if stream == nil, connection.backlog > 0 {
      finishConnection()
      return
    }
    if phase == .closing { return }
    abandonStream(byPeer: true)
    manager.counters.add(.connectionDestroyRemote)
    closedByEnd = true
    connection.close()
  }
  private var closedByEnd = false

  private func abandonStream(byPeer: Bool) {
    guard let stream else { return }
    self.stream = nil
    if phase != .head {
      manager.counters.add(.connectionDestroyActiveRequest)
      manager.counters.add(
        byPeer ? .connectionDestroyRemoteActiveRequest : .connectionDestroyLocalActiveRequest)
      stream.abandon(byClient: byPeer)
    } else {
      if !connection.socket.isClosed { noteUnread(stream) }
      stream.forgetRequest()
      stream.leave()
    }
    stream.release()
  }

  override func succeed(by factory: TerminalFactory) -> Bool {
    guard let next = factory as? HTTPManager, phase != .closing, !isDraining, manager.canGoOn(as: next) else {
      return false
    }
    successor = next
    if phase == .head, stream == nil { adopt(next) }
    return true
  }

  private func adopt(_ next: HTTPManager) {
    manager = next
    successor = nil
  }

  override func drain() {
    isDraining = true
    if phase == .head, stream == nil {
      manager.counters.add(.connectionDrainClose)
      finishConnection()
    }
  }

  override func lingered(timedOut: Bool) {
    if timedOut { manager.counters.add(.connectionDelayedCloseTimeout) }
  }

  override func closed(byPeer: Bool) {
    abandonStream(byPeer: byPeer)
    phase = .closing
    timer.cancel(wheel: reactor.timers)
    reportBytes()
    let counters = manager.counters
    counters.subtract(.connectionActive)
    counters.subtract(.connectionHTTP1Active)
    counters.add(.connectionDestroy)
    manager.histograms.record(.connectionLength, from: connection.openedAt, to: reactor.now)
    if !closedByEnd { counters.add(byPeer ? .connectionDestroyRemote : .connectionDestroyLocal) }
  }

  private func reportBytes() {
    let socket = connection.socket.unsafelyUnwrapped
    manager.counters.add(.bytesReceived, socket.bytesReceived &- receivedReported)
    manager.counters.add(.bytesSent, socket.bytesSent &- sentReported)
    receivedReported = socket.bytesReceived
    sentReported = socket.bytesSent
  }
}
