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
  var statistics = RequestStatistics()
  /// Attempts that go on beside the present one.
  var hedges: [HedgedAttempt] = []
  var hedgesOnPerTryTimeout = false
  /// The attempt that comes is made because one has timed out.
  var isTimeoutRetry = false
  /// Copies of the request to which more of its body has to go.
  private var shadows: [ShadowRequest] = []
  /// The response that ends is a redirect, and the request goes on by it.
  private var redirecting = false
  private var redirects = InternalRedirection.Memory()
  /// The connection is standing and the head is written.
  var sending = false
  var headReceived = false
  var sentAt: UInt64 = 0
  /// What has come of the request before the connection was ready; with `keepsBody`, all of it.
  var early: OutboundQueue?
  /// The request may be sent again: its body stays in `early`.
  var keepsBody = false
  var retry = RetryState()
  /// Endpoints that have been tried, where the next attempt is to avoid them.
  var tried: [ObjectIdentifier] = []
  /// The answer that is being read to its end is not for the client.
  var retryWait: UInt64?
  /// Nor is this one, and other attempts go on.
  var dropsAnswer = false
  // Deadlines in the reactor's time; `.max`: none.
  var retryAt: UInt64 = .max
  var perTryDeadline: UInt64 = .max
  var perTryIdleDeadline: UInt64 = .max
  /// Of the attempt (`max_stream_duration` of the cluster).
  var streamDeadline: UInt64 = .max
  // Nanoseconds; 0: none.
  var timeout: UInt64 = 0
  var perTryTimeout: UInt64 = 0
  var timeoutIs204 = false
  /// The request's own; nil: the cluster's.
  var streamDuration: UInt64?
  /// The upstream has agreed to the tunnel that the request asks for.
  private(set) var opensTunnel = false
  /// The bytes of the request's body are the upstream's, without a head: `connect_config`.
  private var isRaw = false
  /// Answers tell how often the request was sent.
  var answersAttempts = false
  /// When the request was whole; 0 before that.
  var requestCompleteAt: UInt64 = 0
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
    answersAttempts = false
    opensTunnel = false
    action = nil
    route = nil
    cluster = nil
    endpoint = nil
  }

  // MARK: The request

  func start(_ action: RouteActionRuntime, of route: RouteRuntime, in host: VirtualHostRuntime) {
    self.action = action
    self.route = route
    statistics.route = route.statistics
    statistics.virtualCluster = host.virtualClusters?.find(stream.request)
    answersAttempts = false
    opensTunnel = false
    isRaw = takesRaw(action)
    isTimeoutRetry = false
    redirecting = false
    sending = false
    headReceived = false
    isCanary = false
    requestCompleteAt = stream.requestComplete ? context.reactor.now : 0
    // Of a request that a redirect has brought here whole.
    earlyTrailers = stream.requestForwarded && stream.requestHasTrailers && hasBody
    guard let cluster = stream.clusterOverride ?? choose(action) else {
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
    answersAttempts = action.attemptHeaders.countsInResponse
    if action.attemptHeaders.countsInRequest { countAttempt(1) }
    stream.applyRequestRules()
    rewrite(action, route)
    if !action.mirrors.isEmpty, stream.request.method != .connect { mirror(action) }
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
    if stream.info.attempts > 1 { describeRetry(action) }
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
    switch endpoint.acquire(self, priority: action.priority, raw: isRaw) {
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
    let entry = stream.chosenEntry ?? draw(weights, action)
    if let rules = entry.rules { stream.use(rules) }
    if !entry.host.isEmpty {
      context.scratch.clear()
      context.scratch.append(entry.host)
      stream.request.authority = stream.request.headers.keep(context.scratch.view)
    }
    return entry.target.find(stream.request, context.clusterDirectory)
  }

  /// One of a route's weighted clusters.
  func draw(_ weights: WeightedChoice, _ action: RouteActionRuntime) -> WeightedChoice.Entry {
    weights.choose(stream.request, context) { hash(action) }
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
    // A body that is there already came with a redirected request.
    let isWhole = stream.requestForwarded && (early?.isEmpty ?? true)
    for mirror in action.mirrors where mirror.isTaken(context) {
      let shadow = stream.manager.shadows.begin(
        mirror, stream, timeout: action.timeout, isComplete: isWhole)
      guard let shadow, !isWhole else { continue }
      if stream.requestForwarded {
        early?.forEachSlice { shadow.data($0) }
        shadow.end()
      } else {
        shadows.append(shadow)
      }
    }
  }

  private func endShadows(complete: Bool) {
    for shadow in shadows { if complete { shadow.end() } else { shadow.abandon() } }
    shadows.removeAll(keepingCapacity: true)
  }

  private var hasBody: Bool { stream.request.isChunked || stream.request.contentLength > 0 }

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
    statistics.add(.total)
    sentAt = context.reactor.now
    stream.info.poolReady = sentAt
    stream.info.firstUpstreamSent = sentAt
    stream.info.upstreamConnectionID = connection.id
    if stream.manager.formatNeeds.contains(.upstreamLocal) {
      stream.info.upstreamLocal = connection.findLocalAddress()
    }
    if stream.manager.formatNeeds.contains(.attempts) { stream.noteAttempt() }
    let request = stream.request
    if isRaw {
      sendRaw(connection)
      return
    }
    if request.method == .connect { setTarget(request) }
    let framing: HTTP1Encoder.Framing =
      request.isChunked ? .chunked : request.contentLength >= 0 ? .contentLength : .none
    // An internal client's wishes have been read.
    if stream.info.isInternal { request.headers.remove(RequestSanitizer.consumed) }
    connection.encodeHead(request, framing: framing)
    sendBody(connection)
  }

  /// What there is of the body, and the end if it has come.
  @inline(__always)
  private func sendBody(_ connection: HTTP1ClientConnection) {
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
    startStreamTimer()
    if stream.requestForwarded {
      finishRequest(connection, trailers: earlyTrailers && forwardsTrailers ? stream.requestTrailers : nil)
    }
  }

  /// A CONNECT, or a POST in its place, that ends here.
  private func takesRaw(_ action: RouteActionRuntime) -> Bool {
    guard let connect = action.connect else { return false }
    let method = stream.request.method
    return method == .connect || (connect.takesPost && method == .post)
  }

  /// The upstream speaks no HTTP: that its connection stands is the answer.
  private func sendRaw(_ connection: HTTP1ClientConnection) {
    connection.beginRaw()
    sendBody(connection)
    response.reset()
    response.status = 200
    upstreamHead(end: false)
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
    if keepsBody, queue.byteCount > bodyLimit { stopKeeping() }
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
    // Something of this attempt's answer goes to the client: there can be no other.
    if !hedges.isEmpty { dropHedges() }
    retry.disable()
    countResponse()
    // 100 has been sent to the client already, by the codec that it asked.
    if response.status != 100 || stream.manager.proxiesContinue { stream.sendInformational() }
  }

  override func upstreamHead(end: Bool) {
    stream.info.firstUpstreamReceived = context.reactor.now
    if stream.manager.formatNeeds.contains(.headBytes) {
      stream.info.upstream.headReceived = WireBytes.received(response)
    }
    if retry.isEnabled, retriesAnswer(end: end) { return }
    if !hedges.isEmpty { dropHedges() }
    headReceived = true
    perTryDeadline = .max
    stream.info.responseCode = response.status
    // Whatever becomes of its body.
    endpoint?.counters.add(response.status < 500 ? .requestSuccess : .requestError)
    stream.info.note([], details: ResponseDetails.viaUpstream)
    countResponse()
    if let redirect = action?.internalRedirect, redirect.handles(response.status),
      follow(redirect, end: end)
    {
      return
    }
    if stream.request.isTunnel {
      opensTunnel =
        response.status == 101 || (stream.request.method == .connect && response.status / 100 == 2)
    }
    if requestCompleteAt != 0, !stream.manager.suppressEnvoyHeaders {
      let milliseconds = (context.reactor.now &- requestCompleteAt) / 1_000_000
      let headers = response.headers
      if headers.contains(.xEnvoyUpstreamServiceTime) { headers.remove(.xEnvoyUpstreamServiceTime) }
      headers.add(
        .xEnvoyUpstreamServiceTime, "x-envoy-upstream-service-time", decimal: milliseconds)
    }
    stream.applyResponseRules()
    writeAttempts(into: response)
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
      isComplete: stream.requestForwarded, keepsBody: !hasBody || keepsBody)
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
      cancelUpstream(isError: false)
      goOn()
    }
    return true
  }

  /// Starts anew by the redirect.
  private func goOn() {
    redirecting = false
    if retry.isRetry { endRetry() }
    // It has become a GET, or what is kept of the body is the body.
    if !hasBody { early?.removeAll() }
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
    streamDeadline = .max
    if let wait = retryWait {
      finishCounts(success: false)
      retryLater(wait)
      return
    }
    if dropsAnswer {
      dropsAnswer = false
      finishCounts(success: false)
      sending = false
      return
    }
    if requestCompleteAt != 0, let cluster {
      cluster.responses.time(
        from: requestCompleteAt, to: context.reactor.now, isInternal: stream.info.isInternal,
        isCanary: isCanary)
      statistics.time(from: requestCompleteAt, to: context.reactor.now)
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
    statistics.count(response.status)
  }

  /// `success`: nil where the attempt came to nothing that could be either.
  func finishCounts(success: Bool?) {
    // The head has said it already.
    let success = headReceived ? nil : success
    guard sending else {
      if success == false { endpoint?.counters.add(.requestError) }
      return
    }
    cluster?.counters.subtract(.requestActive)
    endpoint?.counters.subtract(.requestActive)
    if let success { endpoint?.counters.add(success ? .requestSuccess : .requestError) }
  }

  // MARK: Ends

  override func upstreamFailed(_ failure: UpstreamFailure) {
    let wasPending = !sending
    reportBytes()
    if wasPending { stream.info.poolReady = context.reactor.now }
    connection = nil
    finishCounts(success: false)
    pendingEnd = false
    if retry.isEnabled, !headReceived, retries(failure, wasPending: wasPending) { return }
    perTryDeadline = .max
    perTryIdleDeadline = .max
    streamDeadline = .max
    if headReceived {
      context.log(.debug, "router", "upstream ended inside a response: \(failure)")
      stream.info.flags.formUnion(UpstreamFailureText.flags(failure, started: true))
      stream.info.details = UpstreamFailureText.details(failure, started: true, stream)
      stream.reset()
      return
    }
    let status = UpstreamFailureText.status(failure)
    countLocal(status)
    sending = false
    // Another attempt is still on its way.
    if !hedges.isEmpty { return }
    replyFailed(failure)
  }

  func replyFailed(_ failure: UpstreamFailure) {
    let status = UpstreamFailureText.status(failure)
    if failure == .overflow { stream.isOverloaded = !stream.manager.suppressEnvoyHeaders }
    stream.info.flags.formUnion(UpstreamFailureText.flags(failure, started: false))
    stream.info.details = UpstreamFailureText.details(failure, started: false, stream)
    stream.reply(status, view: UpstreamFailureText.body(failure, stream))
  }

  /// The route's timeout. Counted for each attempt that is on its way.
  func timedOut() {
    if connection != nil || waitsIn != nil { countTimeout(endpoint, answered: headReceived) }
    for hedge in hedges { countTimeout(hedge.endpoint, answered: false) }
    stream.routeDeadline = .max
    if headReceived {
      stream.info.flags.formUnion(.upstreamRequestTimeout)
      stream.info.setDetails(ResponseDetails.upstreamTimeout)
      stream.reset()
    } else {
      replyTimeout(details: ResponseDetails.upstreamTimeout)
    }
  }

  private func countTimeout(_ endpoint: EndpointRuntime?, answered: Bool) {
    cluster?.counters.add(.requestTimeout)
    endpoint?.counters.add(.requestTimeout)
    statistics.add(.timeout)
    if answered { return }
    endpoint?.counters.add(.requestError)
    countLocal(timeoutIs204 ? 204 : 504)
  }

  func replyTimeout(details: StaticString) {
    if timeoutIs204 {
      stream.reply(204, body: nil, flags: .upstreamRequestTimeout, details: details)
      return
    }
    stream.reply(504, body: "upstream request timeout", flags: .upstreamRequestTimeout, details: details)
  }

  /// Envoy counts the answers that the router makes among the cluster's.
  func countLocal(_ status: Int) {
    cluster?.responses.count(status, isInternal: stream.info.isInternal, isCanary: false)
    statistics.count(status)
  }

  /// Nobody waits for the response any more.
  @inline(__always)
  func cancel() {
    if connection != nil || waitsIn != nil { cancelUpstream(isError: false) }
    if retryAt != .max { retryAt = .max }
    if !hedges.isEmpty { dropHedges() }
  }

  /// `isError`: the endpoint is to blame.
  func cancelUpstream(isError: Bool = true) {
    reportBytes()
    waitsIn?.cancel(self)
    let connection = connection
    self.connection = nil
    finishCounts(success: isError ? false : nil)
    pendingEnd = false
    perTryDeadline = .max
    perTryIdleDeadline = .max
    streamDeadline = .max
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
