// One request and its response, whatever protocol they came in by.
//
//     codec --requestHead/Data/End--> stream --> router request --> upstream connection
//     codec <--encodeHead/Data/End--- stream <-- router request <-- upstream connection
//
// The stream decides (route, local replies, headers of its own); the codec frames; the router
// request (`RouterRequest`) speaks with the upstream. Streams are used again: nothing of the last
// request is left after `begin`.
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

  private(set) var requestComplete = false
  private(set) var responseStarted = false
  /// Header rules of the route; kept alive by the route table.
  private unowned(unsafe) var rules: RouteHeaderRules?
  /// When the next line of the access log is due while the request lasts; `.max`: never.
  private var logDeadline: UInt64 = .max
  /// The local reply is the route's own: a direct response or a redirect.
  private var repliesForRoute = false
  /// We have ended the stream, not the client.
  private var wasReset = false
  /// The request was counted as active.
  private var counted = false
  /// No further request on this connection, whatever the client asks.
  var closeAfterResponse = false

  // Deadlines in the reactor's time; `.max`: none.
  var headersDeadline: UInt64 = .max
  var requestDeadline: UInt64 = .max
  var routeDeadline: UInt64 = .max
  /// Nanoseconds; 0: none.
  var idleTimeout: UInt64 = 0
  /// When the last byte of the stream came or went.
  var lastActivity: UInt64 = 0

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
    responseStarted = false
    counted = false
    closeAfterResponse = false
    wasReset = false
    repliesForRoute = false
    rules = nil
    let now = manager.context.reactor.now
    lastActivity = now
    info = StreamInfo(start: now)
    idleTimeout = manager.streamIdleTimeout
    routeDeadline = .max
    headersDeadline = manager.requestHeadersTimeout == 0 ? .max : now &+ manager.requestHeadersTimeout
    requestDeadline = manager.requestTimeout == 0 ? .max : now &+ manager.requestTimeout
    logDeadline = manager.accessLogInterval == 0 ? .max : now &+ manager.accessLogInterval
  }

  /// Lets go of everything that the request held.
  @inline(__always)
  func release() {
    if counted { manager.counters.subtract(.requestActive) }
    counted = false
    if manager.accessLogger != nil { log(.downstreamEnd) }
    codec = nil
    request.headers.clear()
    requestTrailers.headers.clear()
    router.release()
    manager.giveBack(self)
  }

  var nextDeadline: UInt64 {
    var next = Swift.min(headersDeadline, Swift.min(requestDeadline, routeDeadline))
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
    if request.method == .connect {
      // CONNECT needs a route that says so; none can yet.
      closeAfterResponse = true
      manager.counters.add(.requestRouted)
      manager.counters.add(.noRoute)
      reply(404, body: nil, flags: .noRouteFound, details: ResponseDetails.routeNotFound)
      return
    }
    if request.hasUpgrade, request.connectionUpgrade, !isUpgradeToHTTP2() {
      closeAfterResponse = true
      reply(403, body: nil, details: ResponseDetails.upgradeFailed)
      return
    }
    route()
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
    router.requestData(slice)
  }

  func requestEnd(trailers: MessageHead?) {
    requestComplete = true
    requestDeadline = .max
    info.lastDownstreamReceived = manager.context.reactor.now
    router.requestEnd(trailers: trailers)
  }

  /// An upgrade to cleartext HTTP/2 is an offer that a server may pass over (RFC 9110 section 7.8);
  /// all others want a tunnel.
  private func isUpgradeToHTTP2() -> Bool {
    request.headers.first(.upgrade)?.equalsIgnoringCase("h2c") == true
  }

  private func route() {
    manager.counters.add(.requestRouted)
    guard let host = manager.routes.virtualHost(for: request.authority),
      let route = host.route(for: request)
    else {
      manager.counters.add(.noRoute)
      reply(404, body: nil, flags: .noRouteFound, details: ResponseDetails.routeNotFound)
      return
    }
    rules = route.headerRules
    info.virtualHostName = host.nameText.view
    info.routeName = route.nameText.view
    if let logger = manager.accessLogger, logger.logsStart { log(.downstreamStart) }
    switch route.action {
    case .directResponse(let response):
      manager.counters.add(.requestDirectResponse)
      repliesForRoute = true
      reply(response.status, bytes: response.body, details: ResponseDetails.directResponse)
    case .redirect(let redirect):
      manager.counters.add(.requestDirectResponse)
      repliesForRoute = true
      Redirection.location(redirect, matched: route.matchedLength, request: request) { location in
        reply(
          redirect.status, body: nil, details: ResponseDetails.directResponse, location: location)
      }
    case .cluster(let action):
      prepareHeaders()
      info.upstreamRequestStart = manager.context.reactor.now
      router.start(action, matched: route.matchedLength)
    }
  }

  /// What every forwarded request carries (Envoy's connection manager adds the same).
  private func prepareHeaders() {
    let headers = request.headers
    headers.removeAll(from: HeaderID.firstInternal, through: HeaderID.lastInternal)
    if !headers.contains(.xForwardedProto) {
      headers.add(.xForwardedProto, "x-forwarded-proto", value: "http")
    }
    if manager.generateRequestID, !headers.contains(.xRequestID) {
      let text = headers.scratch(36)
      RequestID.write(&manager.context.random, to: text)
      headers.addInPlace(.xRequestID, "x-request-id", value: ByteView(UnsafePointer(text), 36))
    }
  }

  // MARK: The response, from the router request

  /// `response` holds the head.
  func sendHead(end: Bool) {
    guard let codec else { return }
    responseStarted = true
    lastActivity = manager.context.reactor.now
    info.firstDownstreamSent = lastActivity
    info.responseCode = response.status
    addResponseHeaders()
    countResponse()
    codec.encodeHead(self, end: end)
    if let logger = manager.accessLogger, logger.logsTunnel, isTunnelAnswer { log(.downstreamTunnelEstablished) }
    if end { finishResponse(trailers: nil) }
  }

  private var isTunnelAnswer: Bool {
    response.status == 101 || (request.method == .connect && response.status / 100 == 2)
  }

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
    _ status: Int, bytes: [UInt8], flags: ResponseFlags = [], details: StaticString
  ) {
    info.note(flags, details: details)
    bytes.withUnsafeBufferPointer { buffer in
      reply(
        status, view: buffer.baseAddress.map { ByteView($0, buffer.count) } ?? MessageHead.empty,
        location: nil)
    }
  }

  /// As the others, where flags and details stand in `info` already.
  func reply(_ status: Int, view: ByteView) { reply(status, view: view, location: nil) }

  private func reply(_ status: Int, view: ByteView, location: ByteView?) {
    guard codec != nil else { return }
    if responseStarted {
      reset()
      return
    }
    router.cancel()
    // What is left of the request will not be read as HTTP.
    if !requestComplete { closeAfterResponse = true }
    let head = response
    head.reset()
    head.status = status
    info.responseCode = status
    if let location { head.headers.add(.location, "location", value: location) }
    var view = view
    if rules != nil || manager.localReplies != nil { view = shape(head, view) }
    head.contentLength = Int64(view.count)
    head.headers.add(.contentLength, "content-length", decimal: UInt64(view.count))
    if view.count == 0 {
      if head.headers.contains(.contentType) { head.headers.remove(.contentType) }
    } else if !head.headers.contains(.contentType) {
      head.headers.add(.contentType, "content-type", value: "text/plain")
    }
    let withBody =
      view.count > 0 && request.method != .head && head.status != 204 && head.status != 304
    if withBody {
      sendHead(end: false)
      if let codec {
        let chunk = manager.context.reactor.pool.chunk(atLeast: view.count)
        chunk.bytes.update(from: view.base, count: view.count)
        info.bodySent &+= UInt64(view.count)
        codec.encodeData(self, Slice(chunk: chunk, offset: 0, count: view.count))
        finishResponse(trailers: nil)
      }
    } else {
      sendHead(end: true)
    }
  }

  /// The route's header rules and the connection manager's `local_reply_config`. The body that
  /// comes back is borrowed: it is copied before anything else is written.
  private func shape(_ head: MessageHead, _ view: ByteView) -> ByteView {
    var view = view
    withFormatContext { context in
      // Envoy's rule: a route changes its own answers, not those that its upstream's failure brings.
      if repliesForRoute { rules?.applyToResponse(head, &context) }
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
    }
    return view
  }

  /// For header rules of a route whose upstream has answered.
  func applyResponseRules() {
    guard let rules else { return }
    withFormatContext { rules.applyToResponse(response, &$0) }
  }

  func applyRequestRules() {
    guard let rules else { return }
    withFormatContext { rules.applyToRequest(request, &$0) }
  }

  // MARK: Formats and access logs

  func withFormatContext(_ body: (inout FormatContext) -> Void) {
    withUnsafeMutablePointer(to: &info) { info in
      var context = FormatContext(
        worker: manager.context, request: request, response: response,
        trailers: router.responseTrailers, connection: codec?.connection, info: info)
      body(&context)
    }
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
    router.cancel()
    codec?.reset(self)
  }

  /// The client has gone.
  func abandon() {
    manager.counters.add(.requestResetReceived)
    leave()
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
    if now >= headersDeadline {
      counters.add(.requestHeaderTimeout)
      forgetRequest()
      expire(408, "request header timeout", details: ResponseDetails.requestHeaderTimeout, close: true)
    } else if now >= requestDeadline {
      counters.add(.requestTimeout)
      expire(408, "request timeout", details: ResponseDetails.requestTimeout, close: true)
    } else if now >= routeDeadline {
      router.timedOut()
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
    reply(status, body: text, flags: flags, details: details)
  }
}
