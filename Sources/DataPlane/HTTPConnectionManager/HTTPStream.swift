// One request and its response, whatever protocol they came in by.
//
//     codec --requestHead/Data/End--> stream [filters] --> router request --> upstream connection
//     codec <--encodeHead/Data/End--- stream [filters] <-- router request <-- upstream connection
//
// The stream decides (route, local replies, headers of its own); the codec frames; the router
// request (`RouterRequest`) speaks with the upstream. Where the connection manager has filters, each
// message passes them in between (`HTTPFilterChainInstance`): `forward...` is behind them on the way
// in, `send...` on the way out. Streams are used again: nothing of the last request is left after
// `begin`.
import CMartletABI
import CMartletBlame
import CMartletSystem
import Model

final class HTTPStream {
  let manager: HTTPManager
  let request = MessageHead()
  let requestTrailers = MessageHead()
  private(set) var router: RouterRequest!
  /// Nil between requests.
  private(set) var codec: HTTPServerCodec?

  /// Times, bytes, flags and names of the present request.
  var info = StreamInfo()

  /// Response head of the upstream or of a local reply.
  @inline(__always) var response: MessageHead { router.response }
  /// The same, not retained.
  @inline(__always) var borrowedResponse: Unmanaged<MessageHead> {
    Unmanaged.passUnretained(router.response)
  }

  /// The request has been read to its end.
  private(set) var requestComplete = false
  /// The router has been given the request to its end.
  private(set) var requestForwarded = false
  private(set) var requestHasTrailers = false
  private(set) var responseHasTrailers = false
  /// The response's head has gone to the codec.
  private(set) var responseStarted = false
  /// Header rules of the route; kept alive by the route table.
  private unowned(unsafe) var rules: RouteHeaderRules?
  /// When the next line of the access log is due while the request lasts; `.max`: never.
  private var logDeadline: UInt64 = .max
  /// A local reply is the route's or its router's, and gets the route's fields; those of the
  /// connection manager and of filters do not.
  private var repliesForRoute = false
  /// Of a direct response's body; kept alive by the route table.
  private unowned(unsafe) var replyFormat: FormatProgram?
  /// Nil where the connection manager has no filters, and before the head has come.
  private var filters: HTTPFilterChainInstance?
  /// The route was looked for, and is this one (nil: there is none). Kept alive by the route table.
  private var routeIsFound = false
  private unowned(unsafe) var foundHost: VirtualHostRuntime?
  private unowned(unsafe) var foundRoute: RouteRuntime?
  /// What the route says about filters of the chain; kept alive by the route table.
  private(set) unowned(unsafe) var routeFilters: RouteFilterTable?
  /// The weighted cluster that was drawn already, because it speaks of filters.
  private(set) var chosenEntry: WeightedChoice.Entry?
  /// A filter has chosen another cluster than the route's.
  var clusterOverride: ClusterRuntime?
  /// A filter has set another limit than the connection's.
  var filterBufferLimit: Int?
  /// What the filters are told at the end.
  private(set) var result = MARTLET_STREAM_RESET
  private var requestPauses: PauseReasons = []
  private var responsePauses: PauseReasons = []
  /// The request is paused because too much waits for the upstream.
  private var isBackedUp = false
  /// We have ended the stream, not the client.
  private var wasReset = false
  /// The request was counted as active.
  private var counted = false
  /// The upgrade was let through, and is counted.
  private var countedUpgrade = false
  /// The upstream has agreed to the upgrade: what follows is not HTTP.
  private(set) var isUpgraded = false
  /// No further request on this connection, whatever the client asks.
  var closeAfterResponse = false
  /// The next local reply says that a circuit breaker is open.
  var isOverloaded = false
  /// What the next local reply says to a gRPC client (nil: what its status stands for).
  private var grpcReplyStatus: Int?

  // Deadlines in the reactor's time; `.max`: none.
  var headersDeadline: UInt64 = .max
  var requestDeadline: UInt64 = .max
  var routeDeadline: UInt64 = .max
  private var durationDeadline: UInt64 = .max
  /// Nanoseconds; 0: none.
  var idleTimeout: UInt64 = 0
  /// When the first byte of the request came.
  private var beganAt: UInt64 = 0
  /// When the last byte of the stream came or went.
  var lastActivity: UInt64 = 0
  /// What filters have stored about the request; made at the first such, kept for the next request.
  private var stored: StoredData?
  /// As `stored`.
  private var attempted: AttemptList?

  init(manager: HTTPManager) {
    self.manager = manager
    router = RouterRequest(stream: self)
  }

  /// The first byte of a request has come.
  @inline(__always)
  func begin(codec: HTTPServerCodec) {
    self.codec = codec
    request.reset()
    requestComplete = false
    requestForwarded = false
    requestHasTrailers = false
    responseHasTrailers = false
    responseStarted = false
    requestPauses = []
    responsePauses = []
    isBackedUp = false
    result = MARTLET_STREAM_RESET
    counted = false
    closeAfterResponse = false
    isOverloaded = false
    grpcReplyStatus = nil
    wasReset = false
    isUpgraded = false
    repliesForRoute = false
    replyFormat = nil
    rules = nil
    isLocalReply = false
    routeIsFound = false
    foundHost = nil
    foundRoute = nil
    routeFilters = nil
    chosenEntry = nil
    clusterOverride = nil
    filterBufferLimit = nil
    let now = manager.context.reactor.now
    beganAt = now
    lastActivity = now
    info = StreamInfo(start: now)
    response.status = 0
    idleTimeout = manager.streamIdleTimeout
    routeDeadline = .max
    durationDeadline = manager.maxStreamDuration == 0 ? .max : now &+ manager.maxStreamDuration
    headersDeadline = manager.requestHeadersTimeout == 0 ? .max : now &+ manager.requestHeadersTimeout
    requestDeadline = manager.requestTimeout == 0 ? .max : now &+ manager.requestTimeout
    logDeadline = manager.accessLogInterval == 0 ? .max : now &+ manager.accessLogInterval
  }

  /// Lets go of everything that the request held.
  @inline(__always)
  func release() {
    if counted {
      manager.counters.subtract(.requestActive)
      manager.histograms.record(.requestTime, from: beganAt, to: manager.context.reactor.now)
    }
    if countedUpgrade {
      countedUpgrade = false
      manager.counters.subtract(.connectionUpgradesActive)
    }
    counted = false
    if let filters { filters.end() } else { finishRelease() }
  }

  /// The filters have seen the end of the stream.
  func filtersEnded() {
    filters = nil
    finishRelease()
  }

  @inline(__always)
  private func finishRelease() {
    if manager.accessLogger != nil { log(.downstreamEnd) }
    codec = nil
    request.headers.clear()
    if let stored, !stored.isEmpty { stored.clear() }
    if info.attempted != nil { attempted?.clear() }
    requestTrailers.headers.clear()
    router.release()
    manager.giveBack(self)
  }

  /// Who it is, as the request came: what filters change does not move the bytes.
  @inline(__always)
  func describe(to subject: UnsafeMutablePointer<martlet_subject>) {
    let method = request.methodText
    let authority = request.authority
    let path = request.path
    subject.pointee = martlet_subject(
      connection: codec?.connection.connectionID ?? 0, method: method.base, authority: authority.base,
      path: path.base, method_size: UInt64(method.count), authority_size: UInt64(authority.count),
      path_size: UInt64(path.count))
  }

  var nextDeadline: UInt64 {
    var next = Swift.min(headersDeadline, Swift.min(requestDeadline, routeDeadline))
    next = Swift.min(next, Swift.min(durationDeadline, router.nextDeadline))
    if idleTimeout > 0 { next = Swift.min(next, lastActivity &+ idleTimeout) }
    next = Swift.min(next, logDeadline)
    return next
  }

  // MARK: The request, from the codec

  /// `request` holds a checked head.
  func requestHead(end: Bool) {
    headersDeadline = .max
    countRequest()
    if manager.formatNeeds.contains(.headBytes) {
      info.downstream.headReceived = WireBytes.received(request)
    }
    if end {
      requestComplete = true
      requestDeadline = .max
      info.lastDownstreamReceived = manager.context.reactor.now
    }
    guard manager.sanitizer.prepare(self) else { return }
    if request.hasUpgrade, request.connectionUpgrade, !request.isTunnel, !isUpgradeToHTTP2() {
      refuseUpgrade()
      return
    }
    if let chain = manager.filters {
      findRoute()
      let filters = chain.take(for: self)
      self.filters = filters
      filters.requestHead(end: end)
    } else {
      forwardHead(end: end)
    }
  }

  func countRequest() {
    counted = true
    manager.counters.add(.requestTotal)
    manager.counters.add(.requestHTTP1Total)
    manager.counters.add(.requestActive)
  }

  /// Owns the slice.
  @inline(__always)
  func requestData(_ slice: Slice) {
    lastActivity = manager.context.reactor.now
    info.bodyReceived &+= UInt64(slice.count)
    if let filters { filters.requestData(slice) } else { forwardData(slice) }
  }

  /// `trailers`: nil or `requestTrailers`.
  func requestEnd(trailers: MessageHead?) {
    requestComplete = true
    requestDeadline = .max
    info.lastDownstreamReceived = manager.context.reactor.now
    requestHasTrailers = (trailers?.headers.count ?? 0) > 0
    if let filters {
      filters.requestEnd(trailers: requestHasTrailers)
    } else {
      forwardEnd(trailers: trailers)
    }
  }

  /// A filter gives a message trailers. False: it has some.
  func makeTrailers(ofRequest: Bool) -> Bool {
    if ofRequest {
      if requestHasTrailers { return false }
      requestHasTrailers = true
      requestTrailers.reset()
    } else {
      if responseHasTrailers { return false }
      responseHasTrailers = true
      responseTrailers.reset()
    }
    return true
  }

  // MARK: The request, behind the filters

  @inline(__always)
  func forwardHead(end: Bool) {
    if end { requestForwarded = true }
    route()
  }

  /// Owns the slice.
  @inline(__always)
  func forwardData(_ slice: Slice) { router.requestData(slice) }

  func forwardEnd(trailers: MessageHead?) {
    requestForwarded = true
    router.requestEnd(trailers: trailers)
  }

  // MARK: Back-pressure

  /// Who cannot take more of a message. The source stands still while there is any.
  struct PauseReasons: OptionSet {
    let rawValue: UInt8
    static let upstream = PauseReasons(rawValue: 1)
    static let downstream = PauseReasons(rawValue: 2)
    static let filters = PauseReasons(rawValue: 4)
    /// The upstream has not agreed to an upgrade yet.
    static let upgrade = PauseReasons(rawValue: 8)
  }

  func pauseRequest(_ reason: PauseReasons) {
    if requestPauses.isEmpty { codec?.pauseRequest(self) }
    requestPauses.insert(reason)
  }

  func continueRequest(_ reason: PauseReasons) {
    guard requestPauses.remove(reason) != nil, requestPauses.isEmpty else { return }
    codec?.continueRequest(self)
  }

  func pauseResponse(_ reason: PauseReasons) {
    if responsePauses.isEmpty {
      info.cluster?.counters.add(.flowPaused)
      router.pauseResponse()
      filters?.backPressure(true)
    }
    responsePauses.insert(reason)
  }

  func continueResponse(_ reason: PauseReasons) {
    guard responsePauses.remove(reason) != nil, responsePauses.isEmpty else { return }
    info.cluster?.counters.add(.flowResumed)
    router.continueResponse()
    filters?.backPressure(false)
  }

  /// More of the request waits for the upstream than its limit.
  func upstreamBackedUp() {
    if !isBackedUp {
      isBackedUp = true
      info.cluster?.counters.add(.flowBackedUp)
      manager.counters.add(.flowPaused)
    }
    pauseRequest(.upstream)
  }

  /// It has taken all.
  func upstreamDrained() {
    if isBackedUp {
      isBackedUp = false
      info.cluster?.counters.add(.flowDrained)
      manager.counters.add(.flowResumed)
    }
    continueRequest(.upstream)
  }

  /// Bytes that may wait in the stream: `per_connection_buffer_limit_bytes`.
  var bufferLimit: Int { filterBufferLimit ?? codec?.connection.bufferLimit ?? 0 }

  /// Filters hold more of a message than the limit allows.
  func heldTooMuch(ofRequest: Bool) {
    if ofRequest {
      manager.counters.add(.requestTooLarge)
      reply(413, body: "Payload Too Large", details: ResponseDetails.requestPayloadTooLarge)
    } else {
      manager.counters.add(.responseTooLarge)
      reply(500, body: "Internal Server Error", details: ResponseDetails.responsePayloadTooLarge)
    }
  }

  private func refuseUpgrade() {
    closeAfterResponse = true
    manager.counters.add(.requestUpgradeNotAllowed)
    reply(403, body: nil, details: ResponseDetails.upgradeFailed)
  }

  /// False: the route does not let the protocol through. Nothing of it is sent before the upstream
  /// has agreed.
  private func beginTunnel(_ action: RouteActionRuntime) -> Bool {
    // That a CONNECT may be was asked when its route was found.
    if request.method != .connect {
      guard let type = request.headers.first(.upgrade),
        action.upgrades.allows(type) ?? manager.upgrades.allows(type) ?? false
      else {
        refuseUpgrade()
        return false
      }
    }
    countedUpgrade = true
    manager.counters.add(.connectionUpgradesTotal)
    manager.counters.add(.connectionUpgradesActive)
    pauseRequest(.upgrade)
    return true
  }

  private func allowsConnect(_ action: RouteRuntime.Action) -> Bool {
    if case .cluster(let action) = action, let allows = action.upgrades.allowsConnect { return allows }
    return manager.upgrades.allowsConnect ?? false
  }

  /// The route's word on how long the request may last.
  private func applyStreamDuration(_ action: RouteActionRuntime) {
    guard let durations = action.streamDuration else { return }
    let limit = durations.of(request, fallback: manager.maxStreamDuration)
    durationDeadline = limit.map { info.start &+ $0 } ?? .max
    codec?.deadlineChanged(self)
  }

  /// An upgrade to cleartext HTTP/2 is an offer that a server may pass over (RFC 9110 section 7.8);
  /// all others want a tunnel.
  private func isUpgradeToHTTP2() -> Bool {
    request.headers.first(.upgrade)?.equalsIgnoringCase("h2c") == true
  }

  /// Looks for the route again: an upstream's redirect is followed.
  func reroute() {
    routeDeadline = .max
    manager.counters.add(.requestTotal)
    routeIsFound = false
    route()
  }

  /// Looks for the route, once: filters and what stands behind them go by the same.
  private func findRoute() {
    if routeIsFound { return }
    routeIsFound = true
    info.routeResolutions &+= 1
    let began = manager.formatNeeds.contains(.routeTime) ? martlet_monotonic_nanoseconds() : 0
    foundHost = manager.routes.virtualHost(for: request)
    let route = foundHost.flatMap { host in
      host.asksForStored ? host.route(for: request, stored: storedView) : host.route(for: request)
    }
    if began > 0 { info.routeResolutionTime &+= martlet_monotonic_nanoseconds() &- began }
    foundRoute = route
    routeFilters = route?.filters
    chosenEntry = nil
    if let route, case .cluster(let action) = route.action, let weights = action.weights, weights.hasFilters {
      let entry = router.draw(weights, action)
      chosenEntry = entry
      routeFilters = entry.filters ?? route.filters
    }
    guard let route, let foundHost else { return }
    info.virtualHostName = foundHost.nameText.view
    info.routeName = route.nameText.view
    info.virtualHostMetadata = foundHost.metadata
    info.routeMetadata = route.metadata
  }

  /// `clear_route`: the request is another now.
  func findRouteAgain() {
    routeIsFound = false
    findRoute()
  }

  /// The route's cluster, as far as it is known before the request goes there.
  var clusterOfRoute: ClusterRuntime? {
    if let cluster = clusterOverride ?? info.cluster { return cluster }
    guard let route = foundRoute, case .cluster(let action) = route.action, action.weights == nil else {
      return nil
    }
    return action.target.find(request, manager.context.clusterDirectory)
  }

  /// The rate limit rules of the route and of its virtual host; nil where there is no route that
  /// forwards.
  var rateLimitRoute: (action: RouteActionRuntime, host: VirtualHostRuntime)? {
    guard let foundRoute, let foundHost, case .cluster(let action) = foundRoute.action else { return nil }
    return (action, foundHost)
  }

  /// The cluster that the request will go to. Of weighted clusters one is drawn now.
  func destinationCluster() -> ClusterRuntime? {
    guard clusterOverride == nil, info.cluster == nil, let foundRoute,
      case .cluster(let action) = foundRoute.action, let weights = action.weights
    else { return clusterOfRoute }
    let entry = chosenEntry ?? router.draw(weights, action)
    chosenEntry = entry
    return entry.target.find(request, manager.context.clusterDirectory)
  }

  /// The answer is the proxy's own.
  private(set) var isLocalReply = false

  /// The route sends requests to a cluster.
  var routeForwards: Bool {
    if let foundRoute, case .cluster = foundRoute.action { return true }
    return false
  }

  private func route() {
    findRoute()
    guard let host = foundHost else { return noRoute() }
    if host.mustBeSecure(request) {
      manager.counters.add(.requestRouted)
      manager.counters.add(.requestDirectResponse)
      Redirection.writeSecure(request, into: manager.context.scratch)
      reply(
        301, body: nil, details: ResponseDetails.directResponse,
        location: manager.context.scratch.view)
      return
    }
    guard let route = foundRoute else { return noRoute() }
    if request.method == .connect, !allowsConnect(route.action) {
      refuseUpgrade()
      return
    }
    manager.counters.add(.requestRouted)
    rules = route.headerRules
    repliesForRoute = true
    switch route.action {
    case .directResponse(let response):
      logStart()
      manager.counters.add(.requestDirectResponse)
      replyFormat = route.replyFormat
      var location: ByteView?
      // RFC 9110 section 10.2.2: what was made, or where else it is.
      if response.status == 201 || response.status / 100 == 3 {
        Redirection.writeOwn(request, into: manager.context.scratch)
        location = manager.context.scratch.view
      }
      reply(
        response.status, bytes: response.body, details: ResponseDetails.directResponse,
        location: location)
    case .redirect(let redirect):
      logStart()
      manager.counters.add(.requestDirectResponse)
      redirect.write(request, matchedBy: route.path, into: manager.context.scratch)
      reply(
        redirect.status, body: nil, details: ResponseDetails.directResponse,
        location: manager.context.scratch.view)
    case .nonForwarding:
      logStart()
      manager.counters.add(.noCluster)
      reply(503, body: nil, flags: .noClusterFound, details: ResponseDetails.clusterNotFound)
    case .cluster(let action):
      if action.streamDuration != nil { applyStreamDuration(action) }
      if request.isTunnel, !beginTunnel(action) { return }
      info.upstreamRequestStart = manager.context.reactor.now
      router.start(action, of: route, in: host)
    }
  }

  private func noRoute() {
    manager.counters.add(.requestRouted)
    manager.counters.add(.noRoute)
    reply(404, body: nil, flags: .noRouteFound, details: ResponseDetails.routeNotFound)
  }

  // MARK: The response, from the router request

  /// `response` holds the head.
  @inline(__always)
  func responseHead(end: Bool) {
    if let filters { filters.responseHead(end: end) } else { sendHead(end: end) }
  }

  /// Owns the slice.
  @inline(__always)
  func responseData(_ slice: Slice) {
    if let filters { filters.responseData(slice) } else { sendData(slice) }
  }

  /// `trailers`: nil or `responseTrailers`.
  func responseEnd(trailers: MessageHead?) {
    responseHasTrailers = (trailers?.headers.count ?? 0) > 0
    if let filters { filters.responseEnd(trailers: responseHasTrailers) } else { sendEnd(trailers: trailers) }
  }

  @inline(__always) var responseTrailers: MessageHead { router.responseTrailers }

  // MARK: The response, behind the filters

  func sendHead(end: Bool) {
    guard let codec else { return }
    responseStarted = true
    filters?.responseIsOut()
    lastActivity = manager.context.reactor.now
    info.firstDownstreamSent = lastActivity
    info.responseCode = response.status
    addResponseHeaders()
    countResponse()
    // What the client has sent behind its head is of a protocol that the upstream does not speak.
    if request.isTunnel, !opensTunnel { closeAfterResponse = true }
    codec.encodeHead(self, end: end)
    if opensTunnel {
      if let logger = manager.accessLogger, logger.logsTunnel { log(.downstreamTunnelEstablished) }
      beginUpgraded()
    }
    if end { finishResponse(trailers: nil) }
  }

  /// The upstream has agreed to the upgrade.
  private func beginUpgraded() {
    isUpgraded = true
    continueRequest(.upgrade)
  }

  /// The answer at hand opens the tunnel that the request asked for.
  var opensTunnel: Bool { router.opensTunnel }

  func sendInformational() { codec?.encodeInformational(self) }

  @inline(__always)
  func sendData(_ slice: Slice) {
    lastActivity = manager.context.reactor.now
    guard let codec else {
      slice.release()
      return
    }
    info.bodySent &+= UInt64(slice.count)
    codec.encodeData(self, slice)
  }

  func sendEnd(trailers: MessageHead?) {
    finishResponse(trailers: trailers)
  }

  private func finishResponse(trailers: MessageHead?) {
    if !requestComplete { manager.counters.add(.requestResponseBeforeComplete) }
    router.cancel()
    result = MARTLET_STREAM_COMPLETE
    info.lastDownstreamSent = manager.context.reactor.now
    codec?.encodeEnd(self, trailers: trailers)
  }

  private func addResponseHeaders() {
    let headers = response.headers
    let context = manager.context
    if !headers.contains(.date) {
      let text = headers.scratch(DateHeader.length)
      context.date.write(to: text, now: context.reactor.now)
      headers.addInPlace(.date, "date", value: ByteView(UnsafePointer(text), DateHeader.length))
    }
    manager.sanitizer.finishResponse(self)
    let hasServer = headers.contains(.server)
    switch manager.serverHeader {
    case .passThrough: break
    case .appendIfAbsent: if !hasServer { addServer(headers) }
    case .overwrite:
      if hasServer { headers.remove(.server) }
      addServer(headers)
    }
  }

  private func addServer(_ headers: HeaderMap) {
    manager.serverName.withUnsafeBufferPointer { name in
      guard let base = name.baseAddress else { return }
      // The name lives as long as the manager, which outlives its streams.
      headers.addInPlace(.server, "server", value: ByteView(base, name.count))
    }
  }

  private func countResponse() {
    let counters = manager.counters
    counters.add(.requestCompleted)
    manager.listenerCounters.addStatus(response.status)
    switch response.status / 100 {
    case 1: counters.add(.request1xx)
    case 2: counters.add(.request2xx)
    case 3: counters.add(.request3xx)
    case 4: counters.add(.request4xx)
    default: counters.add(.request5xx)
    }
  }

  // MARK: Local replies and ends

  /// Answers in the proxy's own name. If the response has begun, the stream is reset instead.
  /// `flags` and `details` say why, for access logs.
  func reply(
    _ status: Int, body: StaticString?, flags: ResponseFlags = [], details: StaticString,
    location: ByteView? = nil
  ) {
    info.note(flags, details: details)
    reply(
      status, view: body.map { ByteView($0.utf8Start, $0.utf8CodeUnitCount) } ?? MessageHead.empty,
      location: location)
  }

  func reply(
    _ status: Int, bytes: [UInt8], flags: ResponseFlags = [], details: StaticString,
    location: ByteView? = nil
  ) {
    info.note(flags, details: details)
    bytes.withUnsafeBufferPointer { buffer in
      reply(
        status, view: buffer.baseAddress.map { ByteView($0, buffer.count) } ?? MessageHead.empty,
        location: location)
    }
  }

  /// As the others, where flags and details stand in `info` already.
  func reply(_ status: Int, view: ByteView) { reply(status, view: view, location: nil) }

  /// From a filter.
  func reply(_ answer: HTTPFilterChainInstance.Reply) {
    guard beginReply() else { return }
    repliesForRoute = false
    let head = response
    head.reset()
    head.status = answer.status
    for field in answer.headers {
      field.name.withView { name in
        field.value.withView { value in
          head.headers.addCopy(manager.context.names.find(name), name: name, value: value)
        }
      }
    }
    info.details = answer.details.withView { request.headers.keep($0) }
    grpcReplyStatus = answer.grpcStatus.map { Int($0) }
    if answer.isStreamed { startReply() } else { answer.body.withView { finishReply($0) } }
  }

  /// The head of an answer whose body follows bit by bit.
  private func startReply() {
    let head = response
    info.responseCode = head.status
    let isBodiless = request.method == .head || head.status == 204 || head.status == 304
    head.contentLength = -1
    head.isChunked = !isBodiless
    responseHead(end: isBodiless)
  }

  private func reply(_ status: Int, view: ByteView, location: ByteView?) {
    guard beginReply() else { return }
    let head = response
    head.reset()
    head.status = status
    if let location { head.headers.add(.location, "location", value: location) }
    finishReply(view)
  }

  /// False: there is nobody to answer, or it is too late for it.
  private func beginReply() -> Bool {
    guard codec != nil else { return false }
    if responseStarted {
      reset()
      return false
    }
    isLocalReply = true
    router.cancel()
    filters?.stopRequest()
    routeDeadline = .max
    // What is left of the request will not be read as HTTP.
    if !requestComplete { closeAfterResponse = true }
    return true
  }

  /// Status and fields are in `response`.
  private func finishReply(_ body: ByteView) {
    let head = response
    var body = body
    if rules != nil || replyFormat != nil || manager.localReplies != nil { body = shape(head, body) }
    info.responseCode = head.status
    if repliesForRoute { router.writeAttempts(into: head) }
    let status = head.status
    // As Envoy: whoever sends what is answered so may have lost count of its messages.
    if status == 400 { closeAfterResponse = true }
    if isOverloaded {
      isOverloaded = false
      head.headers.add(.unknown, "x-envoy-overloaded", value: "true")
    }
    let isGRPC = request.isGRPCRequest
    if isGRPC {
      GRPCReply.rewrite(
        head, body, grpcStatus: grpcReplyStatus, withMessage: request.method != .head,
        names: manager.context.names)
      body = MessageHead.empty
    }
    head.contentLength = Int64(body.count)
    head.headers.add(.contentLength, "content-length", decimal: UInt64(body.count))
    if body.count == 0 {
      if !isGRPC, head.headers.contains(.contentType) { head.headers.remove(.contentType) }
    } else if !head.headers.contains(.contentType) {
      head.headers.add(.contentType, "content-type", value: "text/plain")
    }
    let withBody = body.count > 0 && request.method != .head && status != 204 && status != 304
    // The bytes may be borrowed from the worker's buffer, which the next step may use.
    let slice = withBody ? copy(body) : nil
    guard let filters, filters.takesReply else {
      sendHead(end: !withBody)
      guard let slice else { return }
      sendData(slice)
      if codec != nil { sendEnd(trailers: nil) }
      return
    }
    filters.enter()
    filters.responseHead(end: !withBody)
    if let slice {
      filters.responseData(slice)
      filters.responseEnd(trailers: false)
    }
    filters.leave()
  }

  private func copy(_ body: ByteView) -> Slice {
    let chunk = manager.context.reactor.pool.chunk(atLeast: body.count)
    chunk.bytes.update(from: body.base, count: body.count)
    return Slice(chunk: chunk, offset: 0, count: body.count)
  }

  /// The route's header rules and the connection manager's `local_reply_config`. The body that
  /// comes back is borrowed: it is copied before anything else is written.
  private func shape(_ head: MessageHead, _ view: ByteView) -> ByteView {
    var view = view
    withFormatContext { context in
      if repliesForRoute { rules?.applyToResponse(head, &context) }
      context.info.pointee.responseCode = head.status
      if let replyFormat {
        context.localReplyBody = view
        let text = context.worker.text
        replyFormat.write(&context, to: text)
        // Kept apart: a mapper below may write there as well.
        view = request.headers.keep(text.view)
        if request.isGRPCRequest { view = GRPCReply.message(view, of: replyFormat.contentType.view) }
        text.clear()
        if !head.headers.contains(.contentType) {
          head.headers.add(.contentType, "content-type", value: replyFormat.contentType.view)
        }
      }
      guard let rewriter = manager.localReplies else { return }
      let before = head.headers.first(.contentType)
      let (body, type) = rewriter.rewrite(view, of: head, &context)
      let after = head.headers.first(.contentType)
      let hasOwnType = after != nil && (before == nil || after?.base != before?.base)
      if let type, !hasOwnType {
        if after != nil { head.headers.remove(.contentType) }
        head.headers.add(.contentType, "content-type", value: type)
      }
      view = body
      if let type, request.isGRPCRequest { view = GRPCReply.message(view, of: type) }
    }
    return view
  }

  /// For header rules of a route whose upstream has answered.
  func applyResponseRules() {
    guard let rules else { return }
    withFormatContext { rules.applyToResponse(response, &$0) }
  }

  /// Of a weighted cluster; kept alive by the route table.
  func use(_ rules: RouteHeaderRules) { self.rules = rules }

  func applyRequestRules() {
    guard let rules else { return }
    withFormatContext { rules.applyToRequest(request, &$0) }
  }

  /// The request is sent on the connection that `info` names.
  @inline(never)
  func noteAttempt() {
    let list = attempted ?? AttemptList()
    attempted = list
    info.attempted = list
    if let endpoint = info.endpoint { list.add(endpoint) }
    list.add(connection: info.upstreamConnectionID)
  }

  // MARK: What filters store

  var storedView: StoredView {
    StoredView(stream: stored, connection: codec?.connection.stored, isStream: true)
  }

  /// Where filters store. It is empty again when the next request begins.
  func storedForWriting() -> StoredData {
    if let stored { return stored }
    let made = StoredData()
    stored = made
    return made
  }

  // MARK: Formats and access logs

  /// `copy`: a head that stands for the request's.
  func withFormatContext(_ copy: MessageHead? = nil, _ body: (inout FormatContext) -> Void) {
    withUnsafeMutablePointer(to: &info) { info in
      var context = FormatContext(
        worker: manager.context, request: copy ?? request, response: response,
        trailers: router.responseTrailers, connection: codec?.connection, info: info, stored: stored)
      body(&context)
    }
  }

  /// The route, and with it the cluster, is known.
  @inline(__always)
  func logStart() {
    if let logger = manager.accessLogger, logger.logsStart { log(.downstreamStart) }
  }

  @inline(never)
  private func log(_ type: AccessLogType) {
    guard let logger = manager.accessLogger else { return }
    router.reportBytes()
    withFormatContext { logger.log(type, &$0) }
  }

  /// What has been read of a request is no request: logs show none.
  func forgetRequest() {
    let method = request.method
    request.reset()
    // How the answer is framed.
    request.method = method
  }

  /// The response cannot be completed.
  func reset() {
    wasReset = true
    if responseStarted { manager.counters.add(.resetAfterResponseStarted) }
    router.cancel()
    codec?.reset(self)
  }

  /// The connection has gone.
  func abandon(byClient: Bool) {
    manager.counters.add(.requestResetReceived)
    leave()
    if byClient { result = MARTLET_STREAM_CLIENT_GONE }
    router.cancel()
  }

  /// The client went before its answer was whole.
  func leave() {
    if !wasReset {
      info.flags.formUnion(.downstreamConnectionTermination)
      info.setDetails(ResponseDetails.downstreamRemoteDisconnect)
    }
  }

  // MARK: Time

  /// Looks at the deadlines. The codec calls it when its timer fires.
  func checkDeadlines(now: UInt64) {
    let counters = manager.counters
    if now >= logDeadline {
      logDeadline = now &+ manager.accessLogInterval
      log(.downstreamPeriodic)
    }
    if now >= durationDeadline {
      durationDeadline = .max
      counters.add(.requestMaxDuration)
      grpcReplyStatus = GRPCStatus.deadlineExceeded
      expire(
        requestComplete ? 504 : 408, "downstream duration timeout", flags: .durationTimeout,
        details: ResponseDetails.maxDuration, close: !requestComplete)
      return
    }
    if now >= headersDeadline {
      counters.add(.requestHeaderTimeout)
      forgetRequest()
      expire(408, "request header timeout", details: ResponseDetails.requestHeaderTimeout, close: true)
    } else if now >= requestDeadline {
      counters.add(.requestTimeout)
      expire(408, "request timeout", details: ResponseDetails.requestTimeout, close: true)
    } else if now >= routeDeadline {
      router.timedOut()
    } else if now >= router.nextDeadline {
      router.checkDeadlines(now: now)
    } else if idleTimeout > 0, now >= lastActivity &+ idleTimeout {
      counters.add(.requestIdleTimeout)
      // Envoy's rule: the client is late with its request, or the upstream with its answer.
      expire(
        requestComplete ? 504 : 408, "stream timeout", flags: .streamIdleTimeout,
        details: ResponseDetails.streamIdleTimeout, close: !requestComplete)
    }
  }

  private func expire(
    _ status: Int, _ text: StaticString, flags: ResponseFlags = [], details: StaticString, close: Bool
  ) {
    if !counted { countRequest() }
    if close { closeAfterResponse = true }
    repliesForRoute = false
    reply(status, body: text, flags: flags, details: details)
  }
}
