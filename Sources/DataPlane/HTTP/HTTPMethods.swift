// The methods that are let through: IANA's registry of HTTP methods and the few others that are in
// wide use. Envoy refuses the rest as well, with 400: a word that no server knows is far more
// often the middle of a message that somebody has lost count of than a method.

enum HTTPMethods {
  private static let known: Set<String> = [
    "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET",
    "HEAD", "LABEL", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF",
    "MKWORKSPACE", "MOVE", "NOTIFY", "OPTIONS", "ORDERPATCH", "PATCH", "POST", "PROPFIND",
    "PROPPATCH", "PURGE", "PUT", "QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE",
    "TRACE", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UNSUBSCRIBE", "UPDATE",
    "UPDATEREDIRECTREF", "VERSION-CONTROL",
  ]

  /// For methods that `HTTPMethod` has no case for: rare, so a `String` does no harm here.
  static func isKnown(_ method: ByteView) -> Bool {
    method.count <= 20 && known.contains(method.string)
  }
}
