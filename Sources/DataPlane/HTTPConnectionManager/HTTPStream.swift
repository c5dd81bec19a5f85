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

  /// Response head of the upstream or of a local reply.
  @inline(__always) var response: MessageHead { router.response }

  private(set) var requestComplete = false
  private(set) var responseStarted = false
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
  /// When the first byte of the request came.
  private var beganAt: UInt64 = 0
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
    let now = manager.context.reactor.now
    beganAt = now
    lastActivity = now
    idleTimeout = manager.streamIdleTimeout
    routeDeadline = .max
    headersDeadline = manager.requestHeadersTimeout == 0 ? .max : now &+ manager.requestHeadersTimeout
    requestDeadline = manager.requestTimeout == 0 ? .max : now &+ manager.requestTimeout
  }

  /// Lets go of everything that the request held.
  @inline(__always)
  func release() {
    if counted {
      manager.counters.subtract(.requestActive)
      manager.histograms.record(.requestTime, from: beganAt, to: manager.context.reactor.now)
    }
    counted = false
    codec = nil
    request.headers.clear()
    requestTrailers.headers.clear()
    router.release()
    manager.giveBack(self)
  }

  var nextDeadline: UInt64 {
    var next = Swift.min(headersDeadline, Swift.min(requestDeadline, routeDeadline))
    if idleTimeout > 0 { next = Swift.min(next, lastActivity &+ idleTimeout) }
    return next
  }

  // MARK: The request, from the codec

  /// `request` holds a checked head.
  func requestHead(end: Bool) {
    headersDeadline = .max
    countRequest()
    if end { requestComplete = true; requestDeadline = .max }
    if request.method == .connect {
      // CONNECT needs a route that says so; none can yet.
      closeAfterResponse = true
      manager.counters.add(.requestRouted)
      manager.counters.add(.noRoute)
      reply(404, body: nil)
      return
    }
    if request.hasUpgrade, request.connectionUpgrade, !isUpgradeToHTTP2() {
      closeAfterResponse = true
      reply(403, body: nil)
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
    router.requestData(slice)
  }

  func requestEnd(trailers: MessageHead?) {
    requestComplete = true
    requestDeadline = .max
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
      reply(404, body: nil)
      return
    }
    switch route.action {
    case .directResponse(let response):
      manager.counters.add(.requestDirectResponse)
      reply(response.status, bytes: response.body)
    case .redirect(let redirect):
      manager.counters.add(.requestDirectResponse)
      Redirection.location(redirect, matched: route.matchedLength, request: request) { location in
        reply(redirect.status, body: nil, location: location)
      }
    case .cluster(let action):
      prepareHeaders()
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
    addResponseHeaders()
    countResponse()
    codec.encodeHead(self, end: end)
    if end { finishResponse(trailers: nil) }
  }

  func sendInformational() { codec?.encodeInformational(self) }

  @inline(__always)
  func sendData(_ slice: Slice) {
    lastActivity = manager.context.reactor.now
    guard let codec else {
      slice.release()
      return
    }
    codec.encodeData(self, slice)
  }

  func sendEnd(trailers: MessageHead?) {
    finishResponse(trailers: trailers)
  }

  private func finishResponse(trailers: MessageHead?) {
    if !requestComplete { manager.counters.add(.requestResponseBeforeComplete) }
    router.cancel()
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
  func reply(_ status: Int, body: StaticString?, location: ByteView? = nil) {
    reply(
      status, view: body.map { ByteView($0.utf8Start, $0.utf8CodeUnitCount) } ?? MessageHead.empty,
      location: location)
  }

  func reply(_ status: Int, bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { buffer in
      reply(
        status, view: buffer.baseAddress.map { ByteView($0, buffer.count) } ?? MessageHead.empty,
        location: nil)
    }
  }

  func reply(_ status: Int, text: String) { reply(status, bytes: Array(text.utf8)) }

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
    if let location { head.headers.add(.location, "location", value: location) }
    head.contentLength = Int64(view.count)
    head.headers.add(.contentLength, "content-length", decimal: UInt64(view.count))
    if view.count > 0 { head.headers.add(.contentType, "content-type", value: "text/plain") }
    let withBody = view.count > 0 && request.method != .head && status != 204 && status != 304
    if withBody {
      sendHead(end: false)
      if let codec {
        let chunk = manager.context.reactor.pool.chunk(atLeast: view.count)
        chunk.bytes.update(from: view.base, count: view.count)
        codec.encodeData(self, Slice(chunk: chunk, offset: 0, count: view.count))
        finishResponse(trailers: nil)
      }
    } else {
      sendHead(end: true)
    }
  }

  /// The response cannot be completed.
  func reset() {
    router.cancel()
    codec?.reset(self)
  }

  /// The client has gone.
  func abandon() {
    manager.counters.add(.requestResetReceived)
    router.cancel()
  }

  // MARK: Time

  /// Looks at the deadlines. The codec calls it when its timer fires.
  func checkDeadlines(now: UInt64) {
    let counters = manager.counters
    if now >= headersDeadline {
      counters.add(.requestHeaderTimeout)
      expire(408, "request header timeout", close: true)
    } else if now >= requestDeadline {
      counters.add(.requestTimeout)
      expire(408, "request timeout", close: true)
    } else if now >= routeDeadline {
      router.timedOut()
    } else if idleTimeout > 0, now >= lastActivity &+ idleTimeout {
      counters.add(.requestIdleTimeout)
      // Envoy's rule: the client is late with its request, or the upstream with its answer.
      expire(requestComplete ? 504 : 408, "stream timeout", close: !requestComplete)
    }
  }

  private func expire(_ status: Int, _ text: StaticString, close: Bool) {
    if !counted { countRequest() }
    if close { closeAfterResponse = true }
    reply(status, body: text)
  }
}
