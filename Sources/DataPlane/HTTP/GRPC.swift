// What the proxy knows of gRPC over HTTP: which requests are such, and what an HTTP status means to
// their clients (gRPC's "HTTP to gRPC Status Code Mapping").

extension MessageHead {
  /// By its content type: `application/grpc`, alone or with `+` and a format.
  var isGRPCRequest: Bool {
    guard let type = headers.first(.contentType), type.count >= 16 else { return false }
    return type.prefix(16) == "application/grpc" && (type.count == 16 || type[16] == UInt8(ascii: "+"))
  }
}

enum GRPCStatus {
  static let unknown = 2
  static let deadlineExceeded = 4

  static func of(http status: Int) -> Int {
    switch status {
    case 400: 13
    case 401: 16
    case 403: 7
    case 404: 12
    case 429, 502, 503, 504: 14
    default: unknown
    }
  }
}
