// The router filter: a request on its way to an upstream and the response on its way back.
//
//     start -> attempt -> connecting -> sending -> response head -> body -> end
//                 ^           |            |            |
//                 |           +------------+------------+--> failed: local reply, or a reset once
//                 +-- waiting to retry <---+                 the response has begun
//
// What decides about another attempt stands in `RouterRequest+Retry.swift`.
import CMartletSystem

final class RouterRequest: UpstreamHandler {
  unowned(unsafe) let stream: HTTPStream
  var cluster: ClusterRuntime?
  var endpoint: EndpointRuntime?
  var connection: HTTP1ClientConnection?
  var action: RouteActionRuntime?
  private var route: RouteRuntime?
  /// Copies of the request to which more of its body has to go.
  private var shadows: [ShadowRequest] = []
  /// The response that ends is a redirect, and the request goes on by it.
  private var redirecting = false
  private var redirects = InternalRedirection.Memory()
  /// The connection is standing and the head is written.
  var sending = false
  var headReceived = false
  private var sentAt: UInt64 = 0
  /// What has come of the request before the connection was ready; with `keepsBody`, all of it.
  var early: OutboundQueue?
  /// The request may be sent again: its body stays in `early`.
  var keepsBody = false
  var retry = RetryState()
  /// Endpoints that have been tried, where the next attempt is to avoid them.
  var tried: [ObjectIdentifier] = []
  /// The answer that is being read to its end is not for the client.
  var retryWait: UInt64?
  // Deadlines in the reactor's time; `.max`: none.
  var retryAt: UInt64 = .max
  var perTryDeadline: UInt64 = .max
  var perTryIdleDeadline: UInt64 = .max
  // Nanoseconds; 0: none.
  var timeout: UInt64 = 0
  var perTryTimeout: UInt64 = 0
  var timeoutIs204 = false
  /// When the request was whole; 0 before that.
  private var requestCompleteAt: UInt64 = 0
  private var isCanary = false
  private var earlyTrailers = false

  init(stream: HTTPStream) { self.stream = stream }

  private var context: WorkerContext { stream.manager.context }

  /// Forgets the last request.
  @inline(__always)
  func release() {
    response.headers.clear()
    responseTrailers.headers.clear()
    early?.removeAll()
    if !shadows.isEmpty { endShadows(complete: false) }
    redirects.clear()
    if retry.isRetry { endRetry() }
    action = nil
    route = nil
    cluster = nil
    endpoint = nil
  }

  // MARK: The request

  func start(_ action: RouteActionRuntime, of route: RouteRuntime) {
    self.action = action
    self.route = route
    redirecting = false
    sending = false
    headReceived = false
    isCanary = false
    requestCompleteAt = stream.requestComplete ? context.reactor.now : 0
    earlyTrailers = false
    guard let cluster = choose(action) else {
      stream.manager.counters.add(.noCluster)
      stream.logStart()
      stream.reply(
        action.clusterNotFoundStatus, body: nil, flags: .noClusterFound,
        details: ResponseDetails.clusterNotFound)
      return
    }
    self.cluster = cluster
    stream.info.cluster = cluster
    stream.logStart()
    stream.info.attempts = 0
    if let idle = action.idleTimeout { stream.idleTimeout = idle }
    readTimeouts(action)
    stream.applyRequestRules()
    rewrite(action, route)
    if !action.mirrors.isEmpty { mirror(action) }
    if stream.requestForwarded { startRouteTimer() }
    beginRetries(action)
    attempt(action, cluster)
  }

  /// Sends the request to an endpoint, the first time or again.
  func attempt(_ action: RouteActionRuntime, _ cluster: ClusterRuntime) {
    sending = false
    headReceived = false
    retryWait = nil
    stream.info.attempts &+= 1
    guard let endpoint = tried.isEmpty ? pick(cluster) : pickUntried(cluster) else {
      countLocal(503)
      stream.reply(
        503, body: "no healthy upstream", flags: .noHealthyUpstream,
        details: ResponseDetails.noHealthyUpstream)
      return
    }
    self.endpoint = endpoint
    stream.info.endpoint = endpoint
    if let host = action.hostRewriter, host.waitsForEndpoint {
      host.rewrite(
        stream.request, endpoint: endpoint.model.hostname, again: stream.info.attempts > 1,
        tellsOrigin: !stream.manager.suppressEnvoyHeaders, context.scratch)
    }
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
  func pick(_ cluster: ClusterRuntime) -> EndpointRuntime? {
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

  /// The cluster for this request. Nil: it does not exist.
  @inline(__always)
  private func choose(_ action: RouteActionRuntime) -> ClusterRuntime? {
    guard let weights = action.weights else {
      return action.target.find(stream.request, context.clusterDirectory)
    }
    let entry = weights.choose(stream.request, context) { hash(action) }
    if !entry.host.isEmpty {
      context.scratch.clear()
      context.scratch.append(entry.host)
      stream.request.authority = stream.request.headers.keep(context.scratch.view)
    }
    return entry.target.find(stream.request, context.clusterDirectory)
  }

  /// The request's hash by the route's policies, for who chooses by it. Nil: it has none.
  private func hash(_ action: RouteActionRuntime) -> UInt64? {
    action.hashPolicies?.hash(stream.request, context.scratch) { text in
      if case .ip(let address, _)? = stream.codec?.connection.addresses.remote {
        for byte in "\(address)".utf8 { text.append(byte: byte) }
      }
    }
  }

  private func mirror(_ action: RouteActionRuntime) {
    for mirror in action.mirrors where mirror.isTaken(context) {
      let shadow = stream.manager.shadows.begin(
        mirror, stream.request, timeout: action.timeout, isComplete: stream.requestForwarded)
      if let shadow, !stream.requestForwarded { shadows.append(shadow) }
    }
  }

  private func endShadows(complete: Bool) {
    for shadow in shadows { if complete { shadow.end() } else { shadow.abandon() } }
    shadows.removeAll(keepingCapacity: true)
  }

  private func rewrite(_ action: RouteActionRuntime, _ route: RouteRuntime) {
    let request = stream.request
    let tellsOrigin = !stream.manager.suppressEnvoyHeaders
    action.hostRewriter?.rewrite(request, tellsOrigin: tellsOrigin, context.scratch)
    if let rewriter = action.pathRewriter {
      let old = request.path
      context.scratch.clear()
      if rewriter.rewrite(old, matchedBy: route.path, into: context.scratch) {
        request.path = request.headers.keep(context.scratch.view)
        if tellsOrigin {
          request.headers.set(.xEnvoyOriginalPath, "x-envoy-original-path", value: old)
        }
      }
    }
    let expected = (perTryTimeout > 0 ? perTryTimeout : timeout) / 1_000_000
    if expected > 0, !stream.manager.suppressEnvoyHeaders {
      if request.headers.contains(.xEnvoyExpectedTimeout) { request.headers.remove(.xEnvoyExpectedTimeout) }
      request.headers.add(.xEnvoyExpectedTimeout, "x-envoy-expected-rq-timeout-ms", decimal: expected)
    }
  }

  private func startRouteTimer() {
    if timeout == 0 || stream.request.isTunnel { return }
    stream.routeDeadline = context.reactor.now &+ timeout
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
    stream.info.upstreamConnectionID = connection.id
    if stream.manager.formatNeeds.contains(.upstreamLocal) {
      stream.info.upstreamLocal = connection.findLocalAddress()
    }
    if stream.manager.formatNeeds.contains(.attempts) { stream.noteAttempt() }
    let request = stream.request
    let framing: HTTP1Encoder.Framing =
      request.isChunked ? .chunked : request.contentLength >= 0 ? .contentLength : .none
    // An internal client's wishes have been read.
    if stream.info.isInternal { request.headers.remove(RequestSanitizer.consumed) }
    connection.encodeHead(request, framing: framing)
    if let early, !early.isEmpty {
      if keepsBody {
        early.forEachSlice { slice in
          slice.chunk.retain()
          connection.write(slice)
        }
      } else {
        while let slice = early.popSlice() { connection.write(slice) }
      }
    }
    if hasPerTryTimeout { startPerTry() }
    if stream.requestForwarded {
      finishRequest(connection, trailers: earlyTrailers && forwardsTrailers ? stream.requestTrailers : nil)
    }
  }

  /// Owns the slice. The request is paused until the connection is ready; what filters had held
  /// comes all the same.
  @inline(__always)
  func requestData(_ slice: Slice) {
    if !shadows.isEmpty { for shadow in shadows { shadow.data(slice) } }
    guard sending, let connection, let cluster else {
      keepEarly(slice)
      return
    }
    if keepsBody { keepForRetry(slice) }
    connection.write(slice)
    if connection.backlog > cluster.model.perConnectionBufferLimit {
      connection.notifyWhenDrained()
      stream.upstreamBackedUp()
    }
  }

  private func keepEarly(_ slice: Slice) {
    guard connection != nil || waitsIn != nil || retryAt != .max else {
      slice.release()
      return
    }
    let queue = early ?? OutboundQueue(pool: context.reactor.pool)
    early = queue
    queue.append(slice)
    if keepsBody, queue.byteCount > stream.bufferLimit { stopKeeping() }
  }

  func requestEnd(trailers: MessageHead?) {
    if !shadows.isEmpty { endShadows(complete: true) }
    requestCompleteAt = context.reactor.now
    guard connection != nil || waitsIn != nil || retryAt != .max else { return }
    earlyTrailers = trailers != nil
    if sending, let connection {
      finishRequest(connection, trailers: forwardsTrailers ? trailers : nil)
      if hasPerTryTimeout { startPerTry() }
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

  override func upstreamDrained() { stream.upstreamDrained() }

  // MARK: The response

  override func upstreamInformational() {
    stream.lastActivity = context.reactor.now
    // 100 has been sent to the client already, by the codec that it asked.
    if response.status != 100 || stream.manager.proxiesContinue { stream.sendInformational() }
  }

  override func upstreamHead(end: Bool) {
    stream.info.firstUpstreamReceived = context.reactor.now
    stream.info.responseCode = response.status
    if stream.manager.formatNeeds.contains(.headBytes) {
      stream.info.upstream.headReceived = WireBytes.received(response)
    }
    if retry.isEnabled, retriesAnswer(end: end) { return }
    headReceived = true
    stream.info.note([], details: ResponseDetails.viaUpstream)
    countResponse()
    if let redirect = action?.internalRedirect, redirect.handles(response.status),
      follow(redirect, end: end)
    {
      return
    }
    if !stream.manager.suppressEnvoyHeaders {
      let milliseconds = (context.reactor.now &- sentAt) / 1_000_000
      let headers = response.headers
      if headers.contains(.xEnvoyUpstreamServiceTime) { headers.remove(.xEnvoyUpstreamServiceTime) }
      headers.add(
        .xEnvoyUpstreamServiceTime, "x-envoy-upstream-service-time", decimal: milliseconds)
    }
    stream.applyResponseRules()
    // With `end`, the response ends in `upstreamEnd`, when the connection has been given back.
    pendingEnd = end
    if !end { stream.responseHead(end: false) }
  }
  var pendingEnd = false

  /// True: the response is not for the client, the request goes on elsewhere.
  private func follow(_ redirect: InternalRedirection, end: Bool) -> Bool {
    guard let route else { return false }
    let refusal = redirect.follow(
      response, stream.request, from: route, in: stream.manager.routes, memory: &redirects,
      isComplete: stream.requestForwarded)
    if let refusal {
      cluster?.counters.add(.redirectFailed)
      switch refusal {
      case .failed: break
      case .badLocation: stream.manager.counters.add(.redirectBadLocation)
      case .unsafeScheme: stream.manager.counters.add(.redirectUnsafeScheme)
      case .tooMany: stream.manager.counters.add(.redirectTooMany)
      case .noRoute: stream.manager.counters.add(.redirectNoRoute)
      case .predicate: stream.manager.counters.add(.redirectPredicate)
      }
      return false
    }
    cluster?.counters.add(.redirectSucceeded)
    if end {
      // The connection is given back first: `upstreamEnd` follows.
      redirecting = true
    } else {
      cancelUpstream()
      goOn()
    }
    return true
  }

  /// Starts anew by the redirect.
  private func goOn() {
    redirecting = false
    if retry.isRetry { endRetry() }
    early?.removeAll()
    stream.reroute()
  }

  @inline(__always)
  override func upstreamData(_ slice: Slice) {
    if perTryIdleDeadline != .max { startPerTryIdle() }
    if stream.info.firstUpstreamBody == 0 { stream.info.firstUpstreamBody = context.reactor.now }
    stream.responseData(slice)
  }

  override func upstreamEnd() {
    reportBytes()
    connection = nil
    perTryDeadline = .max
    perTryIdleDeadline = .max
    if let wait = retryWait {
      finishCounts(success: false)
      retryLater(wait)
      return
    }
    if requestCompleteAt != 0, let cluster {
      cluster.responses.time(
        from: requestCompleteAt, to: context.reactor.now, isInternal: stream.info.isInternal,
        isCanary: isCanary)
    }
    stream.routeDeadline = .max
    stream.info.lastUpstreamReceived = context.reactor.now
    finishCounts(success: response.status < 500)
    if redirecting {
      goOn()
      return
    }
    if pendingEnd {
      pendingEnd = false
      stream.responseHead(end: true)
    } else {
      stream.responseEnd(trailers: forwardsTrailers ? responseTrailers : nil)
    }
  }

  private func countResponse() {
    isCanary = response.headers.first(.xEnvoyUpstreamCanary)?.equalsIgnoringCase("true") == true
    cluster?.responses.count(response.status, isInternal: stream.info.isInternal, isCanary: isCanary)
  }

  func finishCounts(success: Bool) {
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
    reportBytes()
    if wasPending { stream.info.poolReady = context.reactor.now }
    connection = nil
    if !wasPending, !headReceived {
      cluster?.counters.add(.requestReceiveReset)
    }
    finishCounts(success: false)
    pendingEnd = false
    if retry.isEnabled, !headReceived, retries(failure, wasPending: wasPending) { return }
    perTryDeadline = .max
    perTryIdleDeadline = .max
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
      replyTimeout(details: ResponseDetails.upstreamTimeout)
    }
  }

  func replyTimeout(details: StaticString) {
    if timeoutIs204 {
      stream.reply(204, body: nil, flags: .upstreamRequestTimeout, details: details)
      return
    }
    countLocal(504)
    stream.reply(504, body: "upstream request timeout", flags: .upstreamRequestTimeout, details: details)
  }

  /// Envoy counts the answers that the router makes among the cluster's.
  private func countLocal(_ status: Int) {
    cluster?.responses.count(status, isInternal: stream.info.isInternal, isCanary: false)
  }

  /// Nobody waits for the response any more.
  @inline(__always)
  func cancel() {
    if connection != nil || waitsIn != nil { cancelUpstream() }
    if retryAt != .max { retryAt = .max }
  }

  func cancelUpstream() {
    reportBytes()
    waitsIn?.cancel(self)
    let connection = connection
    self.connection = nil
    finishCounts(success: false)
    pendingEnd = false
    perTryDeadline = .max
    perTryIdleDeadline = .max
    connection?.cancel()
  }

  /// What the upstream connection has cost so far, for formats.
  @inline(__always)
  func reportBytes() {
    guard sending, let connection else { return }
    stream.info.upstream.wireReceived = connection.bytes.wireReceived
    stream.info.upstream.wireSent = connection.bytes.wireSent
    stream.info.upstream.headSent = connection.bytes.headSent
  }

  func pauseResponse() { connection?.pauseReading() }
  func continueResponse() { connection?.continueReading() }
}
