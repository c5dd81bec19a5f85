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
  /// When the request was whole; 0 before that.
  private var requestCompleteAt: UInt64 = 0
  private var isCanary = false
  private var isInternal = false
  private var requestPaused = false

  init(stream: HTTPStream) { self.stream = stream }

  private var context: WorkerContext { stream.manager.context }

  /// Forgets the last request.
  @inline(__always)
  func release() {
    response.headers.clear()
    responseTrailers.headers.clear()
    action = nil
    cluster = nil
    endpoint = nil
  }

  // MARK: The request

  func start(_ action: RouteActionRuntime, matched: Int) {
    self.action = action
    sending = false
    headReceived = false
    requestPaused = false
    isCanary = false
    isInternal = stream.request.headers.contains(.xEnvoyInternal)
    requestCompleteAt = stream.requestComplete ? context.reactor.now : 0
    guard let cluster = action.cluster(&context.random) else {
      stream.manager.counters.add(.noCluster)
      stream.reply(action.clusterNotFoundStatus, body: nil)
      return
    }
    self.cluster = cluster
    if let idle = action.idleTimeout { stream.idleTimeout = idle }
    rewrite(action, matched)
    guard let endpoint = cluster.pick() else {
      countLocal(503)
      stream.reply(503, body: "no healthy upstream")
      return
    }
    self.endpoint = endpoint
    if stream.requestComplete { startRouteTimer() }
    let counters = cluster.counters
    let (connection, isReady) = HTTP1ClientConnection.acquire(
      cluster: cluster, endpoint: endpoint, owner: self)
    self.connection = connection
    if isReady {
      send(connection)
    } else {
      counters.add(.requestPendingTotal)
      counters.add(.requestPendingActive)
      if !stream.requestComplete { pause() }
    }
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
    guard let action, action.timeout > 0 else { return }
    stream.routeDeadline = context.reactor.now &+ action.timeout
    stream.codec?.deadlineChanged(stream)
  }

  override func upstreamReady(_ connection: HTTP1ClientConnection) {
    cluster?.counters.subtract(.requestPendingActive)
    send(connection)
    if requestPaused { resume() }
  }

  @inline(__always)
  private func send(_ connection: HTTP1ClientConnection) {
    sending = true
    cluster?.counters.add(.requestTotal)
    cluster?.counters.add(.requestActive)
    endpoint?.counters.add(.requestTotal)
    endpoint?.counters.add(.requestActive)
    sentAt = context.reactor.now
    let request = stream.request
    let framing: HTTP1Encoder.Framing =
      request.isChunked ? .chunked : request.contentLength >= 0 ? .contentLength : .none
    connection.encodeHead(request, framing: framing)
    if stream.requestComplete { connection.finish(trailers: nil) }
  }

  /// Owns the slice. Never before the connection is ready: the request is paused until then.
  @inline(__always)
  func requestData(_ slice: Slice) {
    guard sending, let connection, let cluster else {
      slice.release()
      return
    }
    connection.write(slice)
    if connection.backlog > cluster.model.perConnectionBufferLimit {
      connection.notifyWhenDrained()
      pause()
    }
  }

  func requestEnd(trailers: MessageHead?) {
    requestCompleteAt = context.reactor.now
    guard let connection, sending else { return }
    connection.finish(trailers: forwardsTrailers ? trailers : nil)
    startRouteTimer()
  }

  /// Both sides must be told to carry trailers (`enable_trailers`), as in Envoy.
  private var forwardsTrailers: Bool {
    stream.manager.forwardsTrailers && cluster?.model.http1.enableTrailers == true
  }

  override func upstreamDrained() { if requestPaused { resume() } }

  private func pause() {
    requestPaused = true
    stream.codec?.pauseRequest(stream)
  }

  private func resume() {
    requestPaused = false
    stream.codec?.continueRequest(stream)
  }

  // MARK: The response

  override func upstreamInformational() {
    stream.lastActivity = context.reactor.now
    // 100 has been sent to the client already, by the codec that it asked.
    if response.status != 100 { stream.sendInformational() }
  }

  override func upstreamHead(end: Bool) {
    headReceived = true
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
    if !end { stream.sendHead(end: false) }
  }
  private var pendingEnd = false

  @inline(__always)
  override func upstreamData(_ slice: Slice) { stream.sendData(slice) }

  override func upstreamEnd() {
    connection = nil
    if requestCompleteAt != 0, let cluster {
      cluster.responses.time(
        from: requestCompleteAt, to: context.reactor.now, isInternal: isInternal, isCanary: isCanary)
    }
    finishCounts(success: response.status < 500)
    if pendingEnd {
      pendingEnd = false
      stream.sendHead(end: true)
    } else {
      stream.sendEnd(trailers: forwardsTrailers ? responseTrailers : nil)
    }
  }

  private func countResponse() {
    isCanary = response.headers.first(.xEnvoyUpstreamCanary)?.equalsIgnoringCase("true") == true
    cluster?.responses.count(response.status, isInternal: isInternal, isCanary: isCanary)
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
    if wasPending {
      cluster?.counters.subtract(.requestPendingActive)
      cluster?.counters.add(.requestPendingFailureEject)
    } else if !headReceived {
      cluster?.counters.add(.requestReceiveReset)
    }
    finishCounts(success: false)
    pendingEnd = false
    if headReceived {
      context.log(.debug, "router", "upstream ended inside a response: \(failure)")
      stream.reset()
      return
    }
    let (status, text) = UpstreamFailureText.reply(failure)
    countLocal(status)
    stream.reply(status, text: text)
  }

  /// The route's timeout.
  func timedOut() {
    cluster?.counters.add(.requestTimeout)
    endpoint?.counters.add(.requestTimeout)
    stream.routeDeadline = .max
    if headReceived {
      stream.reset()
    } else {
      countLocal(504)
      stream.reply(504, body: "upstream request timeout")
    }
  }

  /// Envoy counts the answers that the router makes among the cluster's.
  private func countLocal(_ status: Int) {
    cluster?.responses.count(status, isInternal: isInternal, isCanary: false)
  }

  /// Nobody waits for the response any more.
  @inline(__always)
  func cancel() {
    if connection != nil { cancelConnection() }
  }

  private func cancelConnection() {
    guard let connection else { return }
    self.connection = nil
    if !sending {
      cluster?.counters.subtract(.requestPendingActive)
      cluster?.counters.add(.requestCancelled)
    }
    finishCounts(success: false)
    pendingEnd = false
    connection.cancel()
  }

  func pauseResponse() { connection?.pauseReading() }
  func continueResponse() { connection?.continueReading() }
}
