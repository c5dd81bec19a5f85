// Access logs: sinks, formats and filters.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func accessLogs(_ logs: [Envoy_Config_Accesslog_V3_AccessLog], at place: Place) -> [AccessLog] {
    logs.enumerated().compactMap { index, message in
      let logPlace = place.element(index)
      guard message.configType != nil else {
        error("is required", at: logPlace.field("typed_config"))
        return nil
      }
      let filter = message.hasFilter ? accessLogFilter(message.filter, at: logPlace.field("filter")) : nil
      guard
        var log = AccessLogExtension.convert(
          message.typedConfig, among: AccessLogExtension.all, with: self,
          at: logPlace.field("typed_config"))
      else { return nil }
      log.filter = filter
      return log
    }
  }

  /// Nil with a finding where it is wrong.
  func accessLogFilter(
    _ message: Envoy_Config_Accesslog_V3_AccessLogFilter, at place: Place
  ) -> AccessLogFilter? {
    switch message.filterSpecifier {
    case .statusCodeFilter(let filter)?:
      return .statusCode(comparison(filter.comparison))
    case .durationFilter(let filter)?:
      return .duration(comparison(filter.comparison))
    case .notHealthCheckFilter?: return .notHealthCheck
    case .traceableFilter?: return .traceable
    case .runtimeFilter(let filter)?: return sampled(filter)
    case .andFilter(let filter)?:
      return all(filter.filters, at: place.field("and_filter")).map { .all($0) }
    case .orFilter(let filter)?:
      return all(filter.filters, at: place.field("or_filter")).map { .any($0) }
    case .headerFilter(let filter)?:
      return headerMatcher(filter.header, at: place.field("header_filter").field("header"))
        .map { .header($0) }
    case .responseFlagFilter(let filter)?: return .responseFlags(filter.flags)
    case .grpcStatusFilter(let filter)?:
      return .grpcStatus(
        Set(filter.statuses.map { UInt8(clamping: $0.rawValue) }), exclude: filter.exclude)
    case .logTypeFilter(let filter)?:
      return .logType(Set(filter.types.map(Self.logType)), exclude: filter.exclude)
    case .metadataFilter(let filter)?:
      let otherwise = filter.hasMatchIfKeyNotFound ? filter.matchIfKeyNotFound.value : true
      guard filter.hasMatcher else { return .metadata(nil, otherwise: otherwise) }
      return metadataMatcher(
        filter.matcher, at: place.field("metadata_filter").field("matcher")
      ).map { .metadata($0, otherwise: otherwise) }
    case nil: return nil  // required by the proto file
    }
  }

  private func all(
    _ filters: [Envoy_Config_Accesslog_V3_AccessLogFilter], at place: Place
  ) -> [AccessLogFilter]? {
    let converted = filters.enumerated().map {
      accessLogFilter($1, at: place.field("filters").element($0))
    }
    return converted.contains { $0 == nil } ? nil : converted.compactMap { $0 }
  }

  private static func logType(
    _ type: Envoy_Data_Accesslog_V3_AccessLogType
  ) -> AccessLogFilter.LogType {
    switch type {
    case .notSet: .notSet
    case .tcpUpstreamConnected: .tcpUpstreamConnected
    case .tcpPeriodic: .tcpPeriodic
    case .tcpConnectionEnd: .tcpConnectionEnd
    case .downstreamStart: .downstreamStart
    case .downstreamPeriodic: .downstreamPeriodic
    case .downstreamEnd: .downstreamEnd
    case .downstreamTunnelSuccessfullyEstablished: .downstreamTunnelEstablished
    default: .other
    }
  }

  private func comparison(
    _ message: Envoy_Config_Accesslog_V3_ComparisonFilter
  ) -> AccessLogComparison {
    let comparison: AccessLogComparison.Operator =
      switch message.op {
      case .ge: .greaterOrEqual
      case .le: .lessOrEqual
      case .ne: .notEqual
      default: .equal
      }
    let number = message.value
    runtime.use(number.runtimeKey)
    return AccessLogComparison(comparison, number.defaultValue, runtimeKey: number.runtimeKey)
  }

  private func sampled(_ message: Envoy_Config_Accesslog_V3_RuntimeFilter) -> AccessLogFilter {
    runtime.use(message.runtimeKey)
    return .sampled(
      RuntimeFraction(defaultValue: share(message.percentSampled), key: message.runtimeKey),
      independent: message.useIndependentRandomness)
  }
}
