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
    guard let request = context.request, request.isGRPCRequest else { return false }
    let status = status(context)
    if style < 2, status >= 0, status < names.count {
      out.append(style == 0 ? names[status].camel : names[status].snake)
    } else {
      out.append(signed: Int64(status))
    }
    return true
  }

  /// -1: what the upstream says is no number.
  static func status(_ context: FormatContext) -> Int {
    let text =
      context.trailers.flatMap { find($0.headers) } ?? context.response.flatMap { find($0.headers) }
    if let text { return text.decimal.map { Int(clamping: $0) } ?? -1 }
    return GRPCStatus.of(http: context.info.pointee.responseCode)
  }

  private static func find(_ headers: HeaderMap) -> ByteView? {
    for index in 0..<headers.count where headers.entries[index].nameView == "grpc-status" {
      return headers.entries[index].valueView
    }
    return nil
  }
}
