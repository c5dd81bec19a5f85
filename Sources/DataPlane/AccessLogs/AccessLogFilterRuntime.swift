// Which lines an access log takes; local replies choose their mapper by the same filters.
import Model

final class AccessLogFilterRuntime {
  private enum Kind {
    case status(AccessLogComparison)
    case duration(AccessLogComparison)
    case constant(Bool)
    case sampled(numerator: UInt32, denominator: UInt32, independent: Bool)
    case all([AccessLogFilterRuntime])
    case any([AccessLogFilterRuntime])
    case header(HeaderMatcherRuntime)
    case flags(ResponseFlags)
    /// Bits of the statuses 0...16.
    case grpc(UInt32, exclude: Bool)
    /// Bits of `AccessLogType`.
    case types(UInt32, exclude: Bool)
  }
  private let kind: Kind

  init(_ model: AccessLogFilter, names: HeaderNameTable) {
    switch model {
    case .statusCode(let comparison): kind = .status(comparison)
    case .duration(let comparison): kind = .duration(comparison)
    // Nothing here answers health checks, so that no request is one.
    case .notHealthCheck: kind = .constant(true)
    case .traceable: kind = .constant(false)
    case .sampled(let numerator, let denominator, let independent):
      kind = .sampled(numerator: numerator, denominator: denominator, independent: independent)
    case .all(let filters): kind = .all(filters.map { AccessLogFilterRuntime($0, names: names) })
    case .any(let filters): kind = .any(filters.map { AccessLogFilterRuntime($0, names: names) })
    case .header(let matcher): kind = .header(HeaderMatcherRuntime(model: matcher, names: names))
    case .responseFlags(let names):
      kind = .flags(names.reduce([]) { $0.union(ResponseFlags(short: $1) ?? []) })
    case .grpcStatus(let statuses, let exclude):
      kind = .grpc(statuses.reduce(0) { $0 | 1 << UInt32($1) }, exclude: exclude)
    case .logType(let types, let exclude):
      kind = .types(types.reduce(0) { $0 | AccessLogFilterRuntime.bit($1) }, exclude: exclude)
    }
  }

  private static func bit(_ type: AccessLogFilter.LogType) -> UInt32 {
    let type: AccessLogType? =
      switch type {
      case .notSet: .notSet
      case .tcpUpstreamConnected: .tcpUpstreamConnected
      case .tcpPeriodic: .tcpPeriodic
      case .tcpConnectionEnd: .tcpConnectionEnd
      case .downstreamStart: .downstreamStart
      case .downstreamPeriodic: .downstreamPeriodic
      case .downstreamEnd: .downstreamEnd
      case .downstreamTunnelEstablished: .downstreamTunnelEstablished
      case .other: nil
      }
    return type.map { 1 << UInt32($0.rawValue) } ?? 0
  }

  func matches(_ context: FormatContext) -> Bool {
    switch kind {
    case .status(let comparison): return comparison.holds(UInt64(context.info.pointee.responseCode))
    case .duration(let comparison):
      let elapsed = context.worker.reactor.now &- context.info.pointee.start
      return comparison.holds(elapsed / 1_000_000)
    case .constant(let value): return value
    case .sampled(let numerator, let denominator, let independent):
      return sample(context, numerator, denominator, independent)
    case .all(let filters):
      for filter in filters where !filter.matches(context) { return false }
      return true
    case .any(let filters):
      for filter in filters where filter.matches(context) { return true }
      return false
    case .header(let matcher): return context.request.map { matcher.matches($0) } ?? false
    case .flags(let wanted):
      let flags = context.info.pointee.flags
      return wanted.isEmpty ? !flags.isEmpty : !flags.isDisjoint(with: wanted)
    case .grpc(let bits, let exclude):
      let status = FormatGRPC.status(context)
      return (status >= 0 && status < 32 && bits & 1 << UInt32(status) != 0) != exclude
    case .types(let bits, let exclude):
      return (bits & 1 << UInt32(context.logType.rawValue) != 0) != exclude
    }
  }

  /// A request with an id is taken or not by the id, so that all logs that see it agree.
  private func sample(
    _ context: FormatContext, _ numerator: UInt32, _ denominator: UInt32, _ independent: Bool
  ) -> Bool {
    if !independent, let id = context.request?.headers.first(.xRequestID), id.count >= 8 {
      var value: UInt64 = 0
      for index in 0..<8 {
        let byte = asciiLowercase(id[index])
        let digit: UInt8 = byte &- 0x30 < 10 ? byte &- 0x30 : byte &- 0x61 < 6 ? byte &- 0x57 : 255
        if digit == 255 { return context.worker.random.next(below: UInt64(denominator)) < numerator }
        value = value << 4 | UInt64(digit)
      }
      return value % UInt64(denominator) < numerator
    }
    return context.worker.random.next(below: UInt64(denominator)) < numerator
  }
}

extension AccessLogComparison {
  func holds(_ actual: UInt64) -> Bool {
    switch comparison {
    case .equal: actual == UInt64(value)
    case .greaterOrEqual: actual >= UInt64(value)
    case .lessOrEqual: actual <= UInt64(value)
    case .notEqual: actual != UInt64(value)
    }
  }
}
