// The gRPC status of a response: from its trailers or head, or what an HTTP status stands for.

enum FormatGRPC {
  private static let names: [(camel: StaticString, snake: StaticString)] = [
    ("OK", "OK"), ("Canceled", "CANCELLED"), ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"), ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"), ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"), ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"), ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"), ("Unimplemented", "UNIMPLEMENTED"), ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"), ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
  ]

  /// `style`: 0 camel, 1 snake, 2 number. False where the request is none of gRPC.
  static func write(style: UInt8, _ context: FormatContext, to out: TextBuffer) -> Bool {
    guard let request = context.request, isGRPC(request) else { return false }
    let status = status(context)
    if style < 2, status >= 0, status < names.count {
      out.append(style == 0 ? names[status].camel : names[status].snake)
    } else {
      out.append(signed: Int64(status))
    }
    return true
  }

  /// `application/grpc`, alone or with a `+format` or parameters.
  static func isGRPC(_ request: MessageHead) -> Bool {
    guard let type = request.headers.first(.contentType) else { return false }
    let name: StaticString = "application/grpc"
    let length = name.utf8CodeUnitCount
    guard type.count >= length, type.prefix(length) == name else { return false }
    return type.count == length || type[length] == UInt8(ascii: "+") || type[length] == UInt8(ascii: ";")
  }

  /// -1: what the upstream says is no number.
  static func status(_ context: FormatContext) -> Int {
    let text =
      context.trailers.flatMap { find($0.headers) } ?? context.response.flatMap { find($0.headers) }
    if let text { return text.decimal.map { Int(clamping: $0) } ?? -1 }
    switch context.info.pointee.responseCode {
    case 400: return 13
    case 401: return 16
    case 403: return 7
    case 404: return 12
    case 429, 502, 503, 504: return 14
    default: return 2
    }
  }

  private static func find(_ headers: HeaderMap) -> ByteView? {
    for index in 0..<headers.count where headers.entries[index].nameView == "grpc-status" {
      return headers.entries[index].valueView
    }
    return nil
  }
}
