// The admin's access log: Envoy's default format, with `-` where a field has no meaning here.

/// One request in the admin's access log.
struct AccessLogLine {
  var method: String
  var target: String
  var status: Int
  var bytesSent: Int
  var milliseconds: Int
  var userAgent: String?
  var requestID: String?
  var authority: String?

  /// With the line break.
  func text(seconds: Int, milliseconds fraction: Int) -> String {
    let time = HTTPDate.timestamp(seconds: seconds, milliseconds: fraction)
    let request = "\(Self.safe(method)) \(Self.safe(target)) HTTP/1.1"
    let client = "\"-\" \"\(Self.safe(userAgent))\" \"\(Self.safe(requestID))\" \"\(Self.safe(authority))\""
    return "[\(time)] \"\(request)\" \(status) - 0 \(bytesSent) \(milliseconds) - \(client) \"-\"\n"
  }

  /// A quotation mark would end the field for the log's reader.
  private static func safe(_ text: String?) -> String {
    guard let text, !text.isEmpty else { return "-" }
    return text.contains("\"")
      ? text.split(separator: "\"", omittingEmptySubsequences: false)
        .joined(separator: "\\\"") : text
  }
}
