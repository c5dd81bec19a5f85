// The proxy's own answers to gRPC requests. A gRPC client reads no status line: it is told 200 with the
// status in `grpc-status` and the body in `grpc-message` (gRPC over HTTP/2, "Trailers-Only").

enum GRPCReply {
  /// Turns an answer into one. `body` becomes a field.
  static func rewrite(
    _ head: MessageHead, _ body: ByteView, grpcStatus: Int?, withMessage: Bool,
    names: HeaderNameTable
  ) {
    let headers = head.headers
    let status = grpcStatus ?? GRPCStatus.of(http: head.status)
    head.status = 200
    if headers.contains(.contentType) { headers.remove(.contentType) }
    if headers.contains(.contentLength) { headers.remove(.contentLength) }
    headers.add(.contentType, "content-type", value: "application/grpc")
    if !headers.contains(.grpcStatus) {
      headers.add(.grpcStatus, "grpc-status", decimal: UInt64(status))
    }
    if withMessage, body.count > 0 { addMessage(body, to: headers, names) }
  }

  /// A body without the line's end that a JSON format writes; `type` is what the format makes.
  static func message(_ body: ByteView, of type: ByteView) -> ByteView {
    guard body.count > 0, body[body.count - 1] == 0x0a, type == "application/json" else { return body }
    return body.prefix(body.count - 1)
  }

  /// Visible ASCII as it is, but for `%` and (as in Envoy) `~`; anything else as `%XX`.
  private static func addMessage(
    _ body: ByteView, to headers: HeaderMap, _ names: HeaderNameTable
  ) {
    var length = 0
    for index in 0..<body.count { length += isPlain(body[index]) ? 1 : 3 }
    let text = headers.scratch(length)
    var count = 0
    for index in 0..<body.count {
      let byte = body[index]
      if isPlain(byte) {
        text[count] = byte
        count += 1
      } else {
        text[count] = UInt8(ascii: "%")
        text[count + 1] = digit(byte >> 4)
        text[count + 2] = digit(byte & 15)
        count += 3
      }
    }
    let name: StaticString = "grpc-message"
    let id = names.find(ByteView(name.utf8Start, name.utf8CodeUnitCount))
    headers.addInPlace(id, name, value: ByteView(UnsafePointer(text), length))
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x7e && byte != UInt8(ascii: "%")
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }
}
