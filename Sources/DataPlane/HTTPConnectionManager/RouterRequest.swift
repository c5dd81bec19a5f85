// The router filter: a request on its way to an upstream and the response on its way back.
//
//     start -> connecting -> sending -> response head -> body -> end
//                  |            |            |
//                  +------------+------------+--> failed: local reply, or a reset once it has begun
import CMartletSystem

final class RouterRequest: UpstreamHandler {
  private unowned(unsafe) let stream: HTTPStream
  private var cluster: ClusterRuntime?
  private var endpoint: EndpointRuntime?
  private var connection: HTTP1ClientConnection?
  private var action: RouteActionRuntime?
  /// The connection is standing and the head is written.
  private var sending = false
  private var headReceived = false
  private var sentAt: UInt64 = 0
  /// What has come of the request before the connection was ready.
  private var early: OutboundQueue?
  private var earlyTrailers = false

  init(stream: HTTPStream) { self.stream = stream }

  private var context: WorkerContext { stream.manager.context }

  /// Forgets the last request.
  @inline(__always)
  func release() {
    response.headers.clear()
    responseTrailers.headers.clear()
    early?.removeAll()
    action = nil
    cluster = nil
    endpoint = nil
  }

  // MARK: The request

  func start(_ action: RouteActionRuntime, matched: Int) {
    self.action = action
    sending = false
    headReceived = false
    earlyTrailers = false
    guard let cluster = action.cluster(&context.random) else {
      stream.manager.counters.add(.noCluster)
      stream.reply(
        action.clusterNotFoundStatus, body: nil, flags: .noClusterFound,
        details: ResponseDetails.clusterNotFound)
      return
    }
    self.cluster = cluster
    stream.info.cluster = cluster
    stream.info.attempts = 1
    if let idle = action.idleTimeout { stream.idleTimeout = idle }
    rewrite(action, matched)
    guard let endpoint = pick(cluster) else {
      countLocal(503)
      stream.reply(
        503, body: "no healthy upstream", flags: .noHealthyUpstream,
        details: ResponseDetails.noHealthyUpstream)
      return
    }
    self.endpoint = endpoint
    stream.info.endpoint = endpoint
    if stream.requestForwarded { startRouteTimer() }
    switch endpoint.acquire(self, priority: action.priority) {
    case .ready(let connection):
      self.connection = connection
      send(connection)
    case .pending:
      stream.info.upstreamConnectStart = context.reactor.now
      if !stream.requestForwarded { stream.pauseRequest(.upstream) }
    case .overflow:
      upstreamFailed(.overflow)
    case .noPool:
      countLocal(503)
      stream.reply(
        503, body: "no healthy upstream", flags: .noHealthyUpstream,
        details: ResponseDetails.noHealthyUpstream)
    }
  }

  @inline(__always)
  private func pick(_ cluster: ClusterRuntime) -> EndpointRuntime? {
    guard let destinations = cluster.destinations else { return cluster.pick() }
    return pickDestination(destinations)
  }

  /// The request's header goes before where the client was going.
  private func pickDestination(_ destinations: OriginalDestinations) -> EndpointRuntime? {
    if let header = destinations.header, let text = stream.request.headers.first(header),
      let destination = destinations.destination(inHeader: text)
    {
      return destinations.pick(destination)
    }
    return destinations.pick(stream.codec?.connection.addresses.restoredLocal)
  }

  private func rewrite(_ action: RouteActionRuntime, _ matched: Int) {
    let request = stream.request
    if let prefix = action.prefixRewrite {
      let old = request.path
      let rest = old.dropFirst(Swift.min(matched, old.count))
      let made = request.headers.scratch(prefix.count + rest.count)
      prefix.withUnsafeBufferPointer { text in
        if let base = text.baseAddress { made.update(from: base, count: text.count) }
      }
      (made + prefix.count).update(from: rest.base, count: rest.count)
      request.path = ByteView(UnsafePointer(made), prefix.count + rest.count)
      if !stream.manager.suppressEnvoyHeaders {
        request.headers.set(.xEnvoyOriginalPath, "x-envoy-original-path", value: old)
      }
    }
    if action.timeoutMilliseconds > 0, !stream.manager.suppressEnvoyHeaders {
      if request.headers.contains(.xEnvoyExpectedTimeout) { request.headers.remove(.xEnvoyExpectedTimeout) }
      request.headers.add(
        .xEnvoyExpectedTimeout, "x-envoy-expected-rq-timeout-ms", decimal: action.timeoutMilliseconds)
    }
  }

  private func startRouteTimer() {
    guard let action, action.timeout > 0, !stream.request.isTunnel else { return }
    stream.routeDeadline = context.reactor.now &+ action.timeout
    stream.codec?.deadlineChanged(stream)
  }

  override func upstreamReady(_ connection: HTTP1ClientConnection) {
    self.connection = connection
    stream.info.upstreamConnectEnd = context.reactor.now
    send(connection)
    stream.continueRequest(.upstream)
  }

  @inline(__always)
  private func send(_ connection: HTTP1ClientConnection) {
    sending = true
    cluster?.counters.add(.requestTotal)
    cluster?.counters.add(.requestActive)
    endpoint?.counters.add(.requestTotal)
    endpoint?.counters.add(.requestActive)
    sentAt = context.reactor.now
    stream.info.poolReady = sentAt
    stream.info.firstUpstreamSent = sentAt
    let request = stream.request
    let framing: HTTP1Encoder.Framing =
      request.isChunked ? .chunked : request.contentLength >= 0 ? .contentLength : .none
    // An internal client's wishes have been read.
    if stream.info.isInternal { request.headers.remove(RequestSanitizer.consumed) }
    connection.encodeHead(request, framing: framing)
    if let early, !early.isEmpty {
      while let slice = early.popSlice() { connection.write(slice) }
    }
    if stream.requestForwarded {
      finishRequest(connection, trailers: earlyTrailers && forwardsTrailers ? stream.requestTrailers : nil)
    }
  }

  /// Owns the slice. The request is paused until the connection is ready; what filters had held
  /// comes all the same.
  @inline(__always)
  func requestData(_ slice: Slice) {
    guard sending, let connection, let cluster else {
      keepEarly(slice)
      return
    }
    connection.write(slice)
    if connection.backlog > cluster.model.perConnectionBufferLimit {
      connection.notifyWhenDrained()
      stream.pauseRequest(.upstream)
    }
  }

  private func keepEarly(_ slice: Slice) {
    guard connection != nil || waitsIn != nil else {
      slice.release()
      return
    }
    let queue = early ?? OutboundQueue(pool: context.reactor.pool)
    early = queue
    queue.append(slice)
  }

  func requestEnd(trailers: MessageHead?) {
    guard connection != nil || waitsIn != nil else { return }
    if sending, let connection {
      finishRequest(connection, trailers: forwardsTrailers ? trailers : nil)
    } else {
      earlyTrailers = trailers != nil
    }
    startRouteTimer()
  }

  @inline(__always)
  private func finishRequest(_ connection: HTTP1ClientConnection, trailers: MessageHead?) {
    stream.info.lastUpstreamSent = context.reactor.now
    connection.finish(trailers: trailers)
  }

  /// Both sides must be told to carry trailers (`enable_trailers`), as in Envoy.
  private var forwardsTrailers: Bool {
    stream.manager.forwardsTrailers && cluster?.model.http1.enableTrailers == true
  }

  override func upstreamDrained() { stream.continueRequest(.upstream) }

  // MARK: The response

  override func upstreamInformational() {
    stream.lastActivity = context.reactor.now
    // 100 has been sent to the client already, by the codec that it asked.
    if response.status != 100 || stream.manager.proxiesContinue { stream.sendInformational() }
  }

  override func upstreamHead(end: Bool) {
    headReceived = true
    stream.info.firstUpstreamReceived = context.reactor.now
    stream.info.note([], details: ResponseDetails.viaUpstream)
    countResponse()
    if !stream.manager.suppressEnvoyHeaders {
      let milliseconds = (context.reactor.now &- sentAt) / 1_000_000
      let headers = response.headers
      if headers.contains(.xEnvoyUpstreamServiceTime) { headers.remove(.xEnvoyUpstreamServiceTime) }
      headers.add(
        .xEnvoyUpstreamServiceTime, "x-envoy-upstream-service-time", decimal: milliseconds)
    }
    // With `end`, the response ends in `upstreamEnd`, when the connection has been given back.
    pendingEnd = end
    if !end { stream.responseHead(end: false) }
  }
  private var pendingEnd = false

  @inline(__always)
  override func upstreamData(_ slice: Slice) { stream.responseData(slice) }

  override func upstreamEnd() {
    connection = nil
    stream.routeDeadline = .max
    stream.info.lastUpstreamReceived = context.reactor.now
    finishCounts(success: response.status < 500)
    if pendingEnd {
      pendingEnd = false
      stream.responseHead(end: true)
    } else {
      stream.responseEnd(trailers: forwardsTrailers ? responseTrailers : nil)
    }
  }

  private func countResponse() {
    guard let cluster else { return }
    let counters = cluster.counters
    counters.add(.requestCompleted)
    switch response.status / 100 {
    case 2: counters.add(.request2xx)
    case 3: counters.add(.request3xx)
    case 4: counters.add(.request4xx)
    default: counters.add(.request5xx)
    }
    switch response.status {
    case 200: counters.add(.request200)
    case 404: counters.add(.request404)
    case 503: counters.add(.request503)
    case 504: counters.add(.request504)
    default: break
    }
  }

  private func finishCounts(success: Bool) {
    guard sending else {
      endpoint?.counters.add(.requestError)
      return
    }
    cluster?.counters.subtract(.requestActive)
    endpoint?.counters.subtract(.requestActive)
    endpoint?.counters.add(success ? .requestSuccess : .requestError)
  }

  // MARK: Ends

  override func upstreamFailed(_ failure: UpstreamFailure) {
    let wasPending = !sending
    connection = nil
    if !wasPending, !headReceived {
      cluster?.counters.add(.requestReceiveReset)
    }
    finishCounts(success: false)
    pendingEnd = false
    if headReceived {
      context.log(.debug, "router", "upstream ended inside a response: \(failure)")
      stream.info.flags.formUnion(UpstreamFailureText.flags(failure, started: true))
      stream.info.details = UpstreamFailureText.details(failure, started: true, stream)
      stream.reset()
      return
    }
    let status = UpstreamFailureText.status(failure)
    countLocal(status)
    if failure == .overflow { stream.isOverloaded = !stream.manager.suppressEnvoyHeaders }
    stream.info.flags.formUnion(UpstreamFailureText.flags(failure, started: false))
    stream.info.details = UpstreamFailureText.details(failure, started: false, stream)
    stream.reply(status, view: UpstreamFailureText.body(failure, stream))
  }

  /// The route's timeout.
  func timedOut() {
    cluster?.counters.add(.requestTimeout)
    endpoint?.counters.add(.requestTimeout)
    stream.routeDeadline = .max
    if headReceived {
      stream.info.flags.formUnion(.upstreamRequestTimeout)
      stream.info.setDetails(ResponseDetails.upstreamTimeout)
      stream.reset()
    } else {
      countLocal(504)
      stream.reply(
        504, body: "upstream request timeout", flags: .upstreamRequestTimeout,
        details: ResponseDetails.upstreamTimeout)
    }
  }

  /// Envoy counts the answers that the router makes among the cluster's.
  private func countLocal(_ status: Int) {
    guard let counters = cluster?.counters else { return }
    counters.add(.requestCompleted)
    counters.add(.request5xx)
    if status == 503 { counters.add(.request503) } else if status == 504 { counters.add(.request504) }
  }

  /// Nobody waits for the response any more.
  @inline(__always)
  func cancel() {
    if connection != nil || waitsIn != nil { cancelUpstream() }
  }

  private func cancelUpstream() {
    waitsIn?.cancel(self)
    let connection = connection
    self.connection = nil
    finishCounts(success: false)
    pendingEnd = false
    connection?.cancel()
  }

  func pauseResponse() { connection?.pauseReading() }
  func continueResponse() { connection?.continueReading() }
}
