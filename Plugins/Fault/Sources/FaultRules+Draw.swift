// Which faults a request gets: the shares drawn, values of headers and of runtime read.
import EnvoyMatchers
import MartletSDK

/// What an aborted request is answered.
struct AbortAnswer {
  let status: Int
  let grpcStatus: Int?
}

extension FaultRules {
  /// How long the request is to wait, in milliseconds; nil: not at all.
  func delayMilliseconds(_ stream: borrowing HTTPStream) -> UInt64? {
    guard let delay, delay.share.includes(stream) else { return nil }
    let configured: UInt64
    switch delay.duration {
    case .fixed(let milliseconds): configured = milliseconds
    case .header:
      guard let asked = stream.requestHeaders[headers.delay]?.decimal else { return nil }
      configured = asked
    }
    let milliseconds = stream.runtime(delay.runtime, otherwise: configured)
    return milliseconds > 0 ? milliseconds : nil
  }

  /// What the request is to be answered instead of going upstream; nil: nothing.
  func abortAnswer(_ stream: borrowing HTTPStream) -> AbortAnswer? {
    guard let abort, abort.share.includes(stream) else { return nil }
    switch abort.status {
    case .http(let code): return http(code, stream, abort)
    case .grpc(let code): return grpc(code, stream, abort)
    case .header:
      let request = stream.requestHeaders
      if let code = request[headers.abort]?.decimal, 200..<600 ~= code {
        return http(code, stream, abort)
      }
      guard let code = request[headers.abortGRPC]?.decimal, code <= 16 else { return nil }
      return grpc(code, stream, abort)
    }
  }

  private func http(
    _ configured: UInt64, _ stream: borrowing HTTPStream, _ abort: AbortRule
  ) -> AbortAnswer {
    let code = stream.runtime(abort.httpRuntime, otherwise: configured)
    return AbortAnswer(status: Int(200..<600 ~= code ? code : configured), grpcStatus: nil)
  }

  private func grpc(
    _ configured: UInt64, _ stream: borrowing HTTPStream, _ abort: AbortRule
  ) -> AbortAnswer {
    let code = stream.runtime(abort.grpcRuntime, otherwise: configured)
    return AbortAnswer(status: 200, grpcStatus: Int(code <= 16 ? code : configured))
  }

  /// How fast the response's body is to go out, in KiB a second; nil: as it comes.
  func responseLimit(_ stream: borrowing HTTPStream) -> UInt64? {
    guard let rate, rate.share.includes(stream) else { return nil }
    switch rate.limit {
    case .fixed(let limit): return limit
    case .header:
      guard let asked = stream.requestHeaders[headers.throughput]?.decimal, asked > 0 else {
        return nil
      }
      return asked
    }
  }

  /// `filter_metadata`, for the access log.
  func setMetadata(_ stream: borrowing HTTPStream) {
    for (key, value) in metadata {
      switch value {
      case .text(let text): stream.setMetadata(FaultFilter.name, key, to: text)
      case .number(let number): stream.setMetadata(FaultFilter.name, key, to: number)
      case .boolean(let value): stream.setMetadata(FaultFilter.name, key, to: value)
      }
    }
  }
}
