// Writing HTTP/1 heads and chunk framing (RFC 9112). A head is measured, then written into one
// reserved run of the outbound queue.

enum HTTP1Encoder {
  /// How a body is framed on the wire.
  enum Framing { case none, contentLength, chunked, untilClose }

  enum ConnectionField { case none, close, keepAlive, upgrade }

  /// Fields that belong to one hop (RFC 9110 section 7.6.1) and are written anew or not at all.
  @inline(__always)
  static func isHopByHop(_ id: HeaderID) -> Bool {
    switch id {
    case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .te, .http2Settings: true
    default: false
    }
  }

  @inline(__always)
  private static func size(of head: MessageHead) -> Int {
    var total = 0
    let headers = head.headers
    var index = 0
    while index < headers.count {
      let entry = headers.entries + index
      total &+= Int(entry.pointee.nameLength) &+ Int(entry.pointee.valueLength) &+ 4
      index &+= 1
    }
    return total
  }

  @inline(__always)
  private static func put(_ text: StaticString, _ out: inout UnsafeMutablePointer<UInt8>) {
    out.update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    out += text.utf8CodeUnitCount
  }

  @inline(__always)
  private static func put(_ view: ByteView, _ out: inout UnsafeMutablePointer<UInt8>) {
    out.update(from: view.base, count: view.count)
    out += view.count
  }

  @inline(__always)
  private static func putFields(
    _ head: MessageHead, skipping skipped: HeaderID, _ out: inout UnsafeMutablePointer<UInt8>
  ) {
    let headers = head.headers
    var index = 0
    while index < headers.count {
      let entry = (headers.entries + index).pointee
      index &+= 1
      if isHopByHop(entry.id) || (entry.id == skipped && skipped != .unknown) { continue }
      put(entry.nameView, &out)
      out[0] = 0x3a
      out[1] = 0x20
      out += 2
      put(entry.valueView, &out)
      out[0] = 0x0d
      out[1] = 0x0a
      out += 2
    }
  }

  /// `size(of:)` has counted the value.
  private static func putUpgrade(_ head: MessageHead, _ out: inout UnsafeMutablePointer<UInt8>) {
    guard let type = head.headers.first(.upgrade) else { return }
    put("connection: upgrade\r\nupgrade: ", &out)
    put(type, &out)
    put("\r\n", &out)
  }

  /// A request head. The authority is written as `host`, first, as RFC 9110 section 7.2 asks.
  /// - Returns: The bytes that belong to no field: the request line and the empty line.
  @discardableResult
  static func request(
    _ head: MessageHead, framing: Framing, keepAlive: Bool, properNames: Bool = false,
    to queue: OutboundQueue
  ) -> Int {
    let bound = size(of: head) + head.methodText.count + head.path.count + head.authority.count + 128
    let start = queue.reserve(bound)
    var out = start
    put(head.methodText, &out)
    out[0] = 0x20
    out += 1
    put(head.path, &out)
    put(" HTTP/1.1\r\nhost: ", &out)
    put(head.authority, &out)
    put("\r\n", &out)
    // With `Content-Length` the field itself is among the headers.
    putFields(head, skipping: .host, &out)
    if framing == .chunked { put("transfer-encoding: chunked\r\n", &out) }
    if head.isTunnel {
      putUpgrade(head, &out)
    } else if !keepAlive {
      put("connection: close\r\n", &out)
    }
    put("\r\n", &out)
    if properNames || head.originalText.count > 0 {
      HeaderNameForm.apply(head, properOthers: properNames, start, out)
    }
    queue.commit(out - start)
    return head.methodText.count + head.path.count + 14
  }

  /// A response head.
  /// - Returns: The bytes that belong to no field: the status line and the empty line.
  @discardableResult
  static func response(
    _ head: MessageHead, framing: Framing, connection: ConnectionField, properNames: Bool = false,
    to queue: OutboundQueue
  ) -> Int {
    let bound = size(of: head) + head.reason.count + 192
    let start = queue.reserve(bound)
    var out = start
    put("HTTP/1.1 ", &out)
    out[0] = 0x30 + UInt8(head.status / 100 % 10)
    out[1] = 0x30 + UInt8(head.status / 10 % 10)
    out[2] = 0x30 + UInt8(head.status % 10)
    out[3] = 0x20
    out += 4
    if head.reason.count > 0 { put(head.reason, &out) } else { put(HTTPStatus.reason(head.status), &out) }
    put("\r\n", &out)
    let line = out - start
    putFields(head, skipping: framing == .contentLength ? .unknown : stripped(head, framing), &out)
    if framing == .chunked { put("transfer-encoding: chunked\r\n", &out) }
    switch connection {
    case .none: break
    case .close: put("connection: close\r\n", &out)
    case .keepAlive: put("connection: keep-alive\r\n", &out)
    case .upgrade: putUpgrade(head, &out)
    }
    put("\r\n", &out)
    if properNames || head.originalText.count > 0 {
      HeaderNameForm.apply(head, properOthers: properNames, start, out)
    }
    queue.commit(out - start)
    return line + 2
  }

  /// A Content-Length beside another framing is left out; on a response without a body (HEAD, 304)
  /// it says what the body would have been and stays, but 1xx and 204 may not carry one (RFC 9110
  /// section 8.6).
  private static func stripped(_ head: MessageHead, _ framing: Framing) -> HeaderID {
    if framing == .none { return head.status == 204 || head.status < 200 ? .contentLength : .unknown }
    return .contentLength
  }

  /// The line before `count` bytes of data.
  @inline(__always)
  static func chunkStart(_ count: Int, to queue: OutboundQueue) {
    let out = queue.reserve(20)
    var length = writeHexadecimal(UInt64(count), to: out)
    out[length] = 0x0d
    out[length + 1] = 0x0a
    length += 2
    queue.commit(length)
  }

  @inline(__always) static func chunkEnd(to queue: OutboundQueue) { queue.append("\r\n") }

  /// The last chunk, with trailers if there are any.
  static func lastChunk(trailers: MessageHead?, to queue: OutboundQueue) {
    guard let trailers, trailers.headers.count > 0 else {
      queue.append("0\r\n\r\n")
      return
    }
    let start = queue.reserve(size(of: trailers) + 16)
    var out = start
    put("0\r\n", &out)
    let headers = trailers.headers
    for index in 0..<headers.count {
      let entry = headers.entries[index]
      if isForbiddenTrailer(entry.id) { continue }
      put(entry.nameView, &out)
      put(": ", &out)
      put(entry.valueView, &out)
      put("\r\n", &out)
    }
    put("\r\n", &out)
    queue.commit(out - start)
  }

  /// RFC 9110 section 6.5.1: nothing that frames, routes or authenticates may come in trailers.
  private static func isForbiddenTrailer(_ id: HeaderID) -> Bool {
    isHopByHop(id) || id == .contentLength || id == .host || id == .trailer || id == .expect
  }
}

/// Reason phrases (RFC 9110 section 15 and the IANA registry).
enum HTTPStatus {
  static func reason(_ status: Int) -> StaticString {
    switch status {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 102: "Processing"
    case 103: "Early Hints"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 203: "Non-Authoritative Information"
    case 204: "No Content"
    case 205: "Reset Content"
    case 206: "Partial Content"
    case 207: "Multi-Status"
    case 208: "Already Reported"
    case 226: "IM Used"
    case 300: "Multiple Choices"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 305: "Use Proxy"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 402: "Payment Required"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 407: "Proxy Authentication Required"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Payload Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Entity"
    case 423: "Locked"
    case 424: "Failed Dependency"
    case 425: "Too Early"
    case 426: "Upgrade Required"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 451: "Unavailable For Legal Reasons"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    case 507: "Insufficient Storage"
    case 508: "Loop Detected"
    case 511: "Network Authentication Required"
    default: "Unknown"
    }
  }
}
