// The head of a request or a response, whatever the protocol that carried it: the fields, the
// parts of the start line, and what the fields say about framing. Belongs to a stream and is used
// again for the next one.

/// Methods that the proxy itself treats differently.
enum HTTPMethod: UInt8 { case get, head, post, put, delete, options, connect, trace, patch, other }

final class MessageHead {
  let headers = HeaderMap()

  // Request line. Borrowed from the head's bytes or from `headers.scratch`.
  var method = HTTPMethod.other
  var methodText = MessageHead.empty
  /// Path and query; `*` for OPTIONS. The authority for CONNECT.
  var path = MessageHead.empty
  var authority = MessageHead.empty
  /// The request target named the scheme and authority (absolute-form).
  var isAbsoluteForm = false
  var schemeIsHTTPS = false

  // Status line.
  var status = 0

  /// HTTP/1.`minorVersion`.
  var minorVersion: UInt8 = 1

  // For `header_key_format`; empty where nobody asks.
  /// The head as it came, names as they were written.
  var originalText = MessageHead.empty
  /// Names that do not stand there are written `Like-This`.
  var originalOthersProper = false
  /// The reason phrase, to be passed on.
  var reason = MessageHead.empty

  // What the fields say.
  /// -1: no Content-Length.
  var contentLength: Int64 = -1
  var isChunked = false
  var transferEncodings = 0
  var hasUnsupportedEncoding = false
  var hosts = 0
  var connectionClose = false
  var connectionKeepAlive = false
  var connectionUpgrade = false
  /// Connection names fields other than the well-known hop-by-hop ones.
  var connectionNominates = false
  var expectsContinue = false
  var hasUpgrade = false
  /// The connection is to leave HTTP behind with this message: `upgrade` and what names it are sent.
  var isTunnel = false

  /// A view of no bytes, of static memory.
  static var empty: ByteView {
    let text: StaticString = ""
    return ByteView(text.utf8Start, 0)
  }

  @inline(__always)
  func reset() {
    headers.clear()
    method = .other
    contentLength = -1
    isChunked = false
    transferEncodings = 0
    hasUnsupportedEncoding = false
    hosts = 0
    connectionClose = false
    connectionKeepAlive = false
    connectionUpgrade = false
    connectionNominates = false
    expectsContinue = false
    hasUpgrade = false
    isTunnel = false
    isAbsoluteForm = false
    schemeIsHTTPS = false
    status = 0
    minorVersion = 1
    originalText = MessageHead.empty
    reason = MessageHead.empty
    methodText = MessageHead.empty
    path = MessageHead.empty
    authority = MessageHead.empty
  }

  /// Gives a response's head, whole or half, to the other and takes its own.
  func exchangeResponse(with other: MessageHead) {
    headers.exchange(with: other.headers)
    swap(&status, &other.status)
    swap(&minorVersion, &other.minorVersion)
    swap(&originalText, &other.originalText)
    swap(&originalOthersProper, &other.originalOthersProper)
    swap(&reason, &other.reason)
    swap(&contentLength, &other.contentLength)
    swap(&isChunked, &other.isChunked)
    swap(&transferEncodings, &other.transferEncodings)
    swap(&hasUnsupportedEncoding, &other.hasUnsupportedEncoding)
    swap(&connectionClose, &other.connectionClose)
    swap(&connectionKeepAlive, &other.connectionKeepAlive)
    swap(&connectionUpgrade, &other.connectionUpgrade)
    swap(&connectionNominates, &other.connectionNominates)
    swap(&hasUpgrade, &other.hasUpgrade)
  }

  /// See `HeaderMap.rebase`.
  func rebase(from old: UnsafePointer<UInt8>, to new: UnsafePointer<UInt8>) {
    headers.rebase(from: old, to: new)
    // An empty view is of static memory and stays.
    if methodText.count > 0 { methodText = ByteView(new + (methodText.base - old), methodText.count) }
    if path.count > 0 { path = ByteView(new + (path.base - old), path.count) }
    if authority.count > 0 { authority = ByteView(new + (authority.base - old), authority.count) }
  }
}
