// How long a request may last as a whole (`max_stream_duration`): the connection manager's limit, a
// route's, or what a gRPC client grants (`grpc-timeout`), as its route bounds it.
import Model

struct StreamDuration {
  /// Nanoseconds; nil: the connection manager's; 0: none.
  private let limit: UInt64?
  private let grpcMaximum: UInt64?
  private let grpcOffset: UInt64

  init(_ model: RouteAction.StreamDuration) {
    limit = model.limit.map { $0.clampedNanoseconds }
    grpcMaximum = model.grpcMaximum?.clampedNanoseconds
    grpcOffset = model.grpcOffset?.clampedNanoseconds ?? 0
  }

  /// Nanoseconds from the request's first byte; nil: none.
  func of(_ request: MessageHead, fallback: UInt64) -> UInt64? {
    if let grpcMaximum, let text = request.headers.first(.grpcTimeout), let granted = Self.grpcTimeout(text) {
      var duration = grpcMaximum > 0 ? Swift.min(granted, grpcMaximum) : granted
      if duration > 0, grpcOffset > 0 { duration = grpcOffset < duration ? duration - grpcOffset : 0 }
      return duration
    }
    let duration = limit ?? fallback
    return duration == 0 ? nil : duration
  }

  /// Digits, eight at most, and a unit (gRPC over HTTP/2, "Requests"). Nanoseconds.
  static func grpcTimeout(_ text: ByteView) -> UInt64? {
    guard text.count >= 2, text.count <= 9, let number = text.prefix(text.count - 1).decimal else {
      return nil
    }
    let unit: UInt64
    switch text[text.count - 1] {
    case UInt8(ascii: "H"): unit = 3_600_000_000_000
    case UInt8(ascii: "M"): unit = 60_000_000_000
    case UInt8(ascii: "S"): unit = 1_000_000_000
    case UInt8(ascii: "m"): unit = 1_000_000
    case UInt8(ascii: "u"): unit = 1_000
    case UInt8(ascii: "n"): unit = 1
    default: return nil
    }
    let (duration, overflow) = number.multipliedReportingOverflow(by: unit)
    // Room to add it to a time.
    return overflow ? 1 << 62 : Swift.min(duration, 1 << 62)
  }
}
