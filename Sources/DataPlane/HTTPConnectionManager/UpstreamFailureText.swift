// What a client and an access log are told when the upstream failed before it answered: Envoy's
// statuses, texts, flags and details, which monitoring and people have learnt to read.
import CMartletSystem

enum UpstreamFailureText {
  static func status(_ failure: UpstreamFailure) -> Int {
    if case .protocolError = failure { return 502 }
    return 503
  }

  /// `started`: the response had begun; its early end is then an error of the protocol, as Envoy
  /// sees it.
  static func flags(_ failure: UpstreamFailure, started: Bool) -> ResponseFlags {
    if started { return .upstreamProtocolError }
    switch failure {
    case .overflow: return .upstreamOverflow
    case .connect, .connectTimeout: return .upstreamConnectionFailure
    case .terminated, .reset: return .upstreamConnectionTermination
    case .protocolError: return .upstreamProtocolError
    }
  }

  private static func reason(_ failure: UpstreamFailure) -> StaticString {
    switch failure {
    case .overflow: "overflow"
    case .connect: "remote connection failure"
    case .connectTimeout: "connection timeout"
    case .terminated, .reset: "connection termination"
    case .protocolError: "protocol error"
    }
  }

  /// The reply's body.
  static func body(_ failure: UpstreamFailure, _ stream: HTTPStream) -> ByteView {
    join(
      [
        "upstream connect error or disconnect/reset before headers. ",
        stream.info.attempts > 1 ? "retried and the latest " : "", "reset reason: ", reason(failure),
      ], underscores: false, stream)
  }

  /// Response details such as `upstream_reset_before_response_started{connection_termination}`;
  /// what the transport said goes to `info.upstreamTransportFailure`.
  static func details(_ failure: UpstreamFailure, started: Bool, _ stream: HTTPStream) -> ByteView {
    if started {
      return join(["upstream_reset_after_response_started{protocol_error}"], underscores: false, stream)
    }
    let start: StaticString = "upstream_reset_before_response_started{"
    guard case .connect(let code) = failure, code != 0 else {
      return join([start, reason(failure), "}"], underscores: true, stream)
    }
    let transport = transportFailure(code, stream)
    stream.info.upstreamTransportFailure = transport
    let before = join([start, reason(failure), "|"], underscores: true, stream)
    let made = stream.request.headers.scratch(before.count + transport.count + 1)
    made.update(from: before.base, count: before.count)
    (made + before.count).update(from: transport.base, count: transport.count)
    made[before.count + transport.count] = UInt8(ascii: "}")
    return ByteView(UnsafePointer(made), before.count + transport.count + 1)
  }

  private static func transportFailure(_ code: Int32, _ stream: HTTPStream) -> ByteView {
    let before: StaticString = "delayed_connect_error:_"
    guard let text = strerror(code) else { return MessageHead.empty }
    let length = strlen(text)
    let made = stream.request.headers.scratch(before.utf8CodeUnitCount + length)
    made.update(from: before.utf8Start, count: before.utf8CodeUnitCount)
    for index in 0..<length {
      let byte = UInt8(bitPattern: text[index])
      made[before.utf8CodeUnitCount + index] = byte == 0x20 ? 0x5f : byte
    }
    return ByteView(UnsafePointer(made), before.utf8CodeUnitCount + length)
  }

  /// In memory of the request.
  private static func join(
    _ parts: [StaticString], underscores: Bool, _ stream: HTTPStream
  ) -> ByteView {
    let count = parts.reduce(0) { $0 + $1.utf8CodeUnitCount }
    let made = stream.request.headers.scratch(count)
    var at = 0
    for part in parts {
      for index in 0..<part.utf8CodeUnitCount {
        let byte = part.utf8Start[index]
        made[at] = underscores && byte == 0x20 ? 0x5f : byte
        at += 1
      }
    }
    return ByteView(UnsafePointer(made), count)
  }
}
