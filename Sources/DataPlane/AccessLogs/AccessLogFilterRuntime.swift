// Which lines an access log takes; local replies choose their mapper by the same filters.
import Model

final class AccessLogFilterRuntime {
  private enum Kind {
    case status(ComparisonRuntime)
    case duration(ComparisonRuntime)
    case constant(Bool)
    case sampled(RuntimeFractionRuntime, independent: Bool)
    case all([AccessLogFilterRuntime])
    case any([AccessLogFilterRuntime])
    case header(HeaderMatcherRuntime)
    case flags(ResponseFlags)
    /// Bits of the statuses 0...16.
    case grpc(UInt32, exclude: Bool)
    /// Bits of `AccessLogType`.
    case types(UInt32, exclude: Bool)
    case metadata(MetadataMatcherRuntime?, otherwise: Bool)
  }
  private let kind: Kind

  init(_ model: AccessLogFilter, context: WorkerContext) {
    switch model {
    case .statusCode(let comparison): kind = .status(ComparisonRuntime(comparison, context.runtime))
    case .duration(let comparison): kind = .duration(ComparisonRuntime(comparison, context.runtime))
    // Nothing here answers health checks, so that no request is one.
    case .notHealthCheck: kind = .constant(true)
    case .traceable: kind = .constant(false)
    case .sampled(let fraction, let independent):
      kind = .sampled(RuntimeFractionRuntime(fraction, context.runtime), independent: independent)
    case .all(let filters): kind = .all(filters.map { AccessLogFilterRuntime($0, context: context) })
    case .any(let filters): kind = .any(filters.map { AccessLogFilterRuntime($0, context: context) })
    case .header(let matcher): kind = .header(HeaderMatcherRuntime(model: matcher, names: context.names))
    case .responseFlags(let names):
      kind = .flags(names.reduce([]) { $0.union(ResponseFlags(short: $1) ?? []) })
    case .grpcStatus(let statuses, let exclude):
      kind = .grpc(statuses.reduce(0) { $0 | 1 << UInt32($1) }, exclude: exclude)
    case .logType(let types, let exclude):
      kind = .types(types.reduce(0) { $0 | AccessLogFilterRuntime.bit($1) }, exclude: exclude)
    case .metadata(let matcher, let otherwise):
      kind = .metadata(matcher.map { MetadataMatcherRuntime($0) }, otherwise: otherwise)
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
    case .status(let comparison):
      return comparison.holds(UInt64(context.info.pointee.responseCode), context.worker.runtime)
    case .duration(let comparison):
      let elapsed = context.worker.reactor.now &- context.info.pointee.start
      return comparison.holds(elapsed / 1_000_000, context.worker.runtime)
    case .constant(let value): return value
    case .sampled(let fraction, let independent):
      let draw = (independent ? nil : draw(context)) ?? context.worker.random.next()
      return fraction.takes(context.worker.runtime, random: draw)
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
    case .metadata(let matcher, let otherwise):
      guard let matcher, let place = matcher.find(in: context.stored.metadata) else { return otherwise }
      return matcher.matches(place)
    }
  }

  /// A request with an id is taken or not by the id, so that all logs that see it agree.
  private func draw(_ context: FormatContext) -> UInt64? {
    guard let id = context.request?.headers.first(.xRequestID), id.count >= 8 else { return nil }
    var value: UInt64 = 0
    for index in 0..<8 {
      let byte = asciiLowercase(id[index])
      let digit: UInt8 = byte &- 0x30 < 10 ? byte &- 0x30 : byte &- 0x61 < 6 ? byte &- 0x57 : 255
      if digit == 255 { return nil }
      value = value << 4 | UInt64(digit)
    }
    return value
  }
}

/// A comparison with a number that the runtime may change.
private struct ComparisonRuntime {
  private let comparison: AccessLogComparison.Operator
  private let value: UInt64
  private let slot: RuntimeSlot

  init(_ model: AccessLogComparison, _ table: RuntimeTable) {
    comparison = model.comparison
    value = UInt64(model.value)
    slot = table.slot(model.runtimeKey)
  }

  func holds(_ actual: UInt64, _ table: RuntimeTable) -> Bool {
    let value = table.number(slot, value)
    switch comparison {
    case .equal: return actual == value
    case .greaterOrEqual: return actual >= value
    case .lessOrEqual: return actual <= value
    case .notEqual: return actual != value
    }
  }
}
