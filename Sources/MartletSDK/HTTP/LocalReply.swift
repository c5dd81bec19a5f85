// An answer in the proxy's name.
import CMartletABI

/// An answer in the proxy's name; see `HTTPStream.reply`.
public struct LocalReply: Sendable {
  /// 200 to 599.
  public var status: Int
  /// Names in lower case, and values.
  public var headers: [(name: String, value: String)]
  /// Its length and, unless `headers` say else, its type text/plain are the proxy's to add.
  public var body: String
  /// In one word why, for access logs (%RESPONSE_CODE_DETAILS%); empty: the filter's name.
  public var details: String
  /// Of the answer to a gRPC request, 0 to 16; nil: it follows from `status`.
  public var grpcStatus: Int?

  /// An answer with a status and, where they are given, the rest.
  public init(
    status: Int, headers: [(name: String, value: String)] = [], body: String = "",
    details: String = "", grpcStatus: Int? = nil
  ) {
    self.status = status
    self.headers = headers
    self.body = body
    self.details = details
    self.grpcStatus = grpcStatus
  }

  func withHostReply<Result>(_ use: (UnsafePointer<martlet_reply>) -> Result) -> Result {
    withBorrowedBytes(headers.flatMap { [$0.name, $0.value] }) { texts in
      let fields = stride(from: 0, to: texts.count, by: 2).map {
        martlet_header(name: texts[$0], value: texts[$0 + 1])
      }
      return fields.withUnsafeBufferPointer { fields in
        body.withHostBytes { body in
          details.withHostBytes { details in
            var reply = martlet_reply()
            reply.size = UInt32(MemoryLayout<martlet_reply>.size)
            reply.status = Int32(clamping: status)
            reply.headers = fields.baseAddress
            reply.header_count = fields.count
            reply.body = body
            reply.details = details
            reply.grpc_status = grpcStatus.map { Int32(clamping: $0) } ?? -1
            return withUnsafePointer(to: reply) { use($0) }
          }
        }
      }
    }
  }
}
