// Request and status lines (RFC 9112 sections 3 and 4).

enum HTTP1StartLine {
  /// `line` without its CRLF.
  static func parseRequest(_ line: ByteView, into head: MessageHead) -> HTTP1Error? {
    guard let methodEnd = line.firstIndex(of: 0x20) else { return .badRequestLine }
    let method = line.prefix(methodEnd)
    guard method.count > 0 else { return .badRequestLine }
    for index in 0..<method.count where HTTP1Characters.tokenLowercase[Int(method[index])] == 0 {
      return .badMethod
    }
    let rest = line.dropFirst(methodEnd + 1)
    // The shortest is a one-byte target, a space and eight bytes of version.
    guard rest.count >= 10, rest[rest.count - 9] == 0x20 else { return .badRequestLine }
    let target = rest.prefix(rest.count - 9)
    guard HTTP1Characters.isValidTarget(target) else { return .badTarget }
    let version = rest.dropFirst(rest.count - 8)
    if let error = parseVersion(version, into: head) { return error }
    guard setMethod(method, of: head) else { return .badMethod }
    head.path = target
    return nil
  }

  /// False for a method that is not let through. `method` lives as long as the head.
  @inline(__always)
  static func setMethod(_ method: ByteView, of head: MessageHead) -> Bool {
    let kind = kind(of: method)
    if kind == .other, !HTTPMethods.isKnown(method) { return false }
    head.methodText = method
    head.method = kind
    return true
  }

  static func parseStatus(_ line: ByteView, into head: MessageHead) -> HTTP1Error? {
    // RFC 9112 section 4: the space behind the code is required even without a reason. Many
    // servers leave it out, and nothing can hide in that, so it is not asked for.
    guard line.count >= 12, line[8] == 0x20 else { return .badStatusLine }
    if parseVersion(line.prefix(8), into: head) != nil { return .badStatusLine }
    let digits = line.dropFirst(9).prefix(3)
    guard let status = digits.decimal, status >= 100 else { return .badStatusLine }
    if line.count > 12 {
      guard line[12] == 0x20, HTTP1Characters.isValidValue(line.dropFirst(13)) else {
        return .badStatusLine
      }
    }
    head.status = Int(status)
    return nil
  }

  private static func parseVersion(_ version: ByteView, into head: MessageHead) -> HTTP1Error? {
    if version == "HTTP/1.1" {
      head.minorVersion = 1
    } else if version == "HTTP/1.0" {
      head.minorVersion = 0
    } else if version.prefix(5) == "HTTP/", version[5] &- 0x30 < 10, version[6] == 0x2e,
      version[7] &- 0x30 < 10
    {
      return .badVersion
    } else {
      return .badRequestLine
    }
    return nil
  }

  private static func kind(of method: ByteView) -> HTTPMethod {
    switch method.count {
    case 3: method == "GET" ? .get : method == "PUT" ? .put : .other
    case 4: method == "POST" ? .post : method == "HEAD" ? .head : .other
    case 5: method == "PATCH" ? .patch : method == "TRACE" ? .trace : .other
    case 6: method == "DELETE" ? .delete : .other
    case 7: method == "OPTIONS" ? .options : method == "CONNECT" ? .connect : .other
    default: .other
    }
  }

  private static func hasPort(_ authority: ByteView) -> Bool {
    var index = authority.count - 1
    while index > 0, authority[index] &- 0x30 < 10 { index -= 1 }
    return index > 0 && index < authority.count - 1 && authority[index] == UInt8(ascii: ":")
  }

  /// Splits the target of a complete request into authority and path (RFC 9112 section 3.2).
  /// `head.path` holds the target as it came; afterwards it begins with `/`, is `*`, or is the
  /// authority of a CONNECT.
  static func resolveTarget(_ head: MessageHead, allowAbsolute: Bool) -> HTTP1Error? {
    let target = head.path
    if head.method == .connect {
      // RFC 9110 section 9.3.6: host and port, both.
      guard HTTP1Characters.isValidAuthority(target), hasPort(target) else { return .badTarget }
      head.authority = target
      return nil
    }
    if target[0] == UInt8(ascii: "/") { return nil }
    if target.count == 1, target[0] == UInt8(ascii: "*") {
      return head.method == .options ? nil : .badTarget
    }
    guard allowAbsolute else { return .badTarget }
    var schemeLength = 0
    if target.count > 7, target.prefix(7).equalsIgnoringCase("http://") {
      schemeLength = 7
    } else if target.count > 8, target.prefix(8).equalsIgnoringCase("https://") {
      schemeLength = 8
    } else {
      return .badTarget
    }
    let rest = target.dropFirst(schemeLength)
    var end = 0
    while end < rest.count, rest[end] != UInt8(ascii: "/"), rest[end] != UInt8(ascii: "?") { end += 1 }
    let authority = rest.prefix(end)
    guard HTTP1Characters.isValidAuthority(authority) else { return .badTarget }
    head.isAbsoluteForm = true
    head.schemeIsHTTPS = schemeLength == 8
    head.authority = authority
    let path = rest.dropFirst(end)
    if path.count > 0, path[0] == UInt8(ascii: "/") {
      head.path = path
      return nil
    }
    // No path: "/" is meant (RFC 9110 section 4.2.3), in front of a query if there is one.
    let made = head.headers.scratch(path.count + 1)
    made[0] = UInt8(ascii: "/")
    (made + 1).update(from: path.base, count: path.count)
    head.path = ByteView(UnsafePointer(made), path.count + 1)
    return nil
  }
}
