// The `location` of a redirect (`config.route.v3.RedirectAction`).
import Model

enum Redirection {
  /// Calls `body` with the location; it is borrowed for the call.
  static func location(
    _ redirect: Redirect, matched: Int, request: MessageHead, _ body: (ByteView) -> Void
  ) {
    var text: [UInt8] = []
    let requestScheme = request.schemeIsHTTPS ? "https" : scheme(of: request)
    let newScheme: String =
      switch redirect.scheme {
      case .https: "https"
      case .literal(let scheme): scheme
      case nil: requestScheme
      }
    text.append(contentsOf: newScheme.utf8)
    text.append(contentsOf: "://".utf8)
    appendAuthority(redirect, request, from: requestScheme, to: newScheme, &text)
    appendPath(redirect, matched, request, &text)
    text.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      body(ByteView(base, buffer.count))
    }
  }

  private static func scheme(of request: MessageHead) -> String {
    guard let proto = request.headers.first(.xForwardedProto) else { return "http" }
    return proto.equalsIgnoringCase("https") ? "https" : "http"
  }

  private static func appendAuthority(
    _ redirect: Redirect, _ request: MessageHead, from oldScheme: String, to newScheme: String,
    _ text: inout [UInt8]
  ) {
    if let host = redirect.host {
      text.append(contentsOf: host.utf8)
    } else {
      let authority = request.authority
      let (host, port) = splitPort(authority)
      text.append(contentsOf: host.array)
      if redirect.port == nil, let port {
        // The default port of the old scheme means nothing under the new one.
        let isDefault = oldScheme == "http" && port == "80" || oldScheme == "https" && port == "443"
        if !(newScheme != oldScheme && isDefault) {
          text.append(UInt8(ascii: ":"))
          text.append(contentsOf: port.array)
        }
      }
    }
    if let port = redirect.port {
      text.append(contentsOf: ":\(port)".utf8)
    }
  }

  private static func splitPort(_ authority: ByteView) -> (host: ByteView, port: ByteView?) {
    var index = authority.count - 1
    while index >= 0, authority[index] &- 0x30 < 10 { index -= 1 }
    guard index > 0, index < authority.count - 1, authority[index] == UInt8(ascii: ":") else {
      return (authority, nil)
    }
    return (authority.prefix(index), authority.dropFirst(index + 1))
  }

  private static func appendPath(
    _ redirect: Redirect, _ matched: Int, _ request: MessageHead, _ text: inout [UInt8]
  ) {
    let full = request.path
    let queryStart = full.firstIndex(of: UInt8(ascii: "?")) ?? full.count
    var hasOwnQuery = false
    switch redirect.path {
    case .replace(let path):
      text.append(contentsOf: path.utf8)
      hasOwnQuery = path.utf8.contains(UInt8(ascii: "?"))
    case .prefixRewrite(let prefix):
      text.append(contentsOf: prefix.utf8)
      text.append(contentsOf: full.prefix(queryStart).dropFirst(min(matched, queryStart)).array)
    case nil:
      text.append(contentsOf: full.prefix(queryStart).array)
    }
    if !redirect.stripQuery, !hasOwnQuery {
      text.append(contentsOf: full.dropFirst(queryStart).array)
    }
  }
}
