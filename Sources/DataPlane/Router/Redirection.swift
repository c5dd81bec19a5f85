// The `location` of a redirect (`config.route.v3.RedirectAction`), compiled.
import Model

final class Redirection {
  let status: Int
  private enum Path {
    case own
    case replace([UInt8], hasQuery: Bool)
    case rewrite(PathRewriter)
  }
  /// Empty: the request's.
  private let scheme: [UInt8]
  private let host: [UInt8]
  private let port: UInt16?
  private let path: Path
  private let stripsQuery: Bool

  init(_ model: Redirect) {
    status = model.status
    switch model.scheme {
    case .https: scheme = Array("https".utf8)
    case .literal(let text): scheme = Array(text.utf8)
    case nil: scheme = []
    }
    host = Array((model.host ?? "").utf8)
    port = model.port
    stripsQuery = model.stripQuery
    switch model.path {
    case .replace(let text): path = .replace(Array(text.utf8), hasQuery: text.utf8.contains(0x3f))
    case .prefixRewrite(let prefix): path = .rewrite(PathRewriter(.prefix(prefix)))
    case .regex(let regex): path = .rewrite(PathRewriter(.regex(regex)))
    case nil: path = .own
    }
  }

  /// Puts the location in place of what `text` holds.
  func write(_ request: MessageHead, matchedBy matcher: PathMatcher, into text: ByteBuilder) {
    text.clear()
    let isHTTPS = Redirection.isHTTPS(request)
    if scheme.isEmpty { text.append(isHTTPS ? "https" : "http") } else { text.append(scheme) }
    let schemeLength = text.count
    text.append("://")
    writeAuthority(request, wasHTTPS: isHTTPS, schemeLength, text)
    writePath(request, matcher, text)
  }

  static func isHTTPS(_ request: MessageHead) -> Bool {
    request.schemeIsHTTPS || request.headers.first(.xForwardedProto)?.equalsIgnoringCase("https") == true
  }

  private func writeAuthority(
    _ request: MessageHead, wasHTTPS: Bool, _ schemeLength: Int, _ text: ByteBuilder
  ) {
    if host.isEmpty {
      let (name, port) = Redirection.splitPort(request.authority)
      text.append(name)
      if self.port == nil, let port {
        // The default port of the old scheme means nothing under the new one.
        let staysSame = text.view.prefix(schemeLength).equalsIgnoringCase(wasHTTPS ? "https" : "http")
        let isDefault = wasHTTPS ? port == "443" : port == "80"
        if staysSame || !isDefault {
          text.append(byte: UInt8(ascii: ":"))
          text.append(port)
        }
      }
    } else {
      text.append(host)
    }
    if let port {
      text.append(byte: UInt8(ascii: ":"))
      text.append(decimal: UInt64(port))
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

  private func writePath(_ request: MessageHead, _ matcher: PathMatcher, _ text: ByteBuilder) {
    let full = request.path
    let wanted = stripsQuery ? full.withoutQuery : full
    switch path {
    case .own: text.append(wanted)
    case .replace(let new, let hasQuery):
      text.append(new)
      if !hasQuery { text.append(wanted.dropFirst(full.withoutQuery.count)) }
    case .rewrite(let rewriter):
      if !rewriter.rewrite(wanted, matchedBy: matcher, into: text) { text.append(wanted) }
    }
  }

  /// The request's own address, in place of what `text` holds.
  static func writeOwn(_ request: MessageHead, into text: ByteBuilder) {
    text.clear()
    text.append(isHTTPS(request) ? "https" : "http")
    text.append("://")
    text.append(request.authority)
    text.append(request.path)
  }

  /// Where a client is sent that came without TLS to a virtual host that asks for it.
  static func writeSecure(_ request: MessageHead, into text: ByteBuilder) {
    text.clear()
    text.append("https://")
    text.append(request.authority)
    text.append(request.path)
  }
}
