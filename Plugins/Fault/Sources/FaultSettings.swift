// The configuration, compiled: of the filter and, the same message, of a route.
import EnvoyMatchers
import MartletSDK
import SwiftProtobuf
import Synchronization

typealias FaultMessage = Envoy_Extensions_Filters_Http_Fault_V3_HTTPFault

struct GivenFault: ConfigurationMessage {
  static var typeNames: [String] { [FaultMessage.protoMessageName] }
  let message: FaultMessage

  init(configuration given: GivenConfiguration) throws {
    message = try FaultMessage(serializedBytes: given.bytes)
  }
}

/// What a request's headers say where the configuration leaves it to them.
struct ControlHeaders: Sendable {
  let abort: HeaderName
  let abortGRPC: HeaderName
  let abortPercentage: HeaderName
  let delay: HeaderName
  let delayPercentage: HeaderName
  let throughput: HeaderName
  let throughputPercentage: HeaderName
  let node: HeaderName
  let cluster: HeaderName

  init(_ scope: borrowing ConfigurationScope) throws {
    abort = try scope.header("x-envoy-fault-abort-request")
    abortGRPC = try scope.header("x-envoy-fault-abort-grpc-request")
    abortPercentage = try scope.header("x-envoy-fault-abort-request-percentage")
    delay = try scope.header("x-envoy-fault-delay-request")
    delayPercentage = try scope.header("x-envoy-fault-delay-request-percentage")
    throughput = try scope.header("x-envoy-fault-throughput-response")
    throughputPercentage = try scope.header("x-envoy-fault-throughput-response-percentage")
    node = try scope.header("x-envoy-downstream-service-node")
    cluster = try scope.header("x-envoy-downstream-service-cluster")
  }
}

/// A value that stands in the configuration or in a request's header.
enum Source<Value: Sendable>: Sendable {
  case fixed(Value)
  case header
}

/// A fault's share: where the fault is driven by headers, a header can make it smaller.
struct FaultShare: Sendable {
  let share: Share
  let runtime: RuntimeKey
  /// Nil: no header has a say.
  let header: HeaderName?

  func includes(_ stream: borrowing HTTPStream) -> Bool {
    var numerator = share.numerator
    if let header, let asked = stream.requestHeaders[header]?.decimal {
      numerator = UInt32(min(asked, UInt64(numerator)))
    }
    return share.includes(stream, runtime, numerator: numerator)
  }
}

struct DelayRule: Sendable {
  /// Milliseconds.
  let duration: Source<UInt64>
  let share: FaultShare
  let runtime: RuntimeKey
}

struct AbortRule: Sendable {
  enum Status: Sendable {
    case http(UInt64)
    case grpc(UInt64)
    case header
  }
  let status: Status
  let share: FaultShare
  let httpRuntime: RuntimeKey
  let grpcRuntime: RuntimeKey
}

struct RateRule: Sendable {
  /// KiB a second.
  let limit: Source<UInt64>
  let share: FaultShare
}

/// The faults of one message, and the requests that they are for.
final class FaultRules: Sendable {
  let headers: ControlHeaders
  let delay: DelayRule?
  let abort: AbortRule?
  let rate: RateRule?
  private let matchers: FrozenList<HeaderMatcher>
  /// Empty: any.
  private let cluster: FrozenBytes
  private let nodes: FrozenList<FrozenBytes>
  /// Nil: no limit unless runtime has one.
  let maxActive: UInt64?
  let maxActiveRuntime: RuntimeKey
  let countsByCluster: Bool
  let metadata: [(key: String, value: MetadataValue)]

  enum MetadataValue: Sendable {
    case text(String)
    case number(Double)
    case boolean(Bool)
  }

  init(_ message: FaultMessage, _ scope: inout ConfigurationScope) throws {
    headers = try ControlHeaders(scope)
    if case .grpcStatus(let code)? = message.abort.errorType, code > 16 {
      throw ConfigurationError("expected 0 to 16, the codes that gRPC has", at: "abort.grpc_status")
    }
    func key(
      _ own: String, _ usual: String, _ scope: borrowing ConfigurationScope
    ) throws -> RuntimeKey {
      try scope.runtimeKey(own.isEmpty ? usual : own)
    }
    let delayShare = try key(
      message.delayPercentRuntime, "fault.http.delay.fixed_delay_percent", scope)
    let delayDuration = try key(
      message.delayDurationRuntime, "fault.http.delay.fixed_duration_ms", scope)
    let abortShare = try key(message.abortPercentRuntime, "fault.http.abort.abort_percent", scope)
    let abortHTTP = try key(message.abortHTTPStatusRuntime, "fault.http.abort.http_status", scope)
    let abortGRPC = try key(message.abortGrpcStatusRuntime, "fault.http.abort.grpc_status", scope)
    let rateShare = try key(
      message.responseRateLimitPercentRuntime, "fault.http.rate_limit.response_percent", scope)
    maxActiveRuntime = try key(
      message.maxActiveFaultsRuntime, "fault.http.max_active_faults", scope)

    delay =
      message.hasDelay
      ? DelayRule(message.delay, share: delayShare, duration: delayDuration, headers) : nil
    abort =
      message.hasAbort
      ? AbortRule(message.abort, share: abortShare, http: abortHTTP, grpc: abortGRPC, headers) : nil
    rate =
      message.hasResponseRateLimit
      ? RateRule(message.responseRateLimit, share: rateShare, headers) : nil
    matchers = try HeaderMatcher.list(message.headers, &scope, at: "headers")
    cluster = FrozenBytes(message.upstreamCluster)
    nodes = FrozenList(count: message.downstreamNodes.count) {
      FrozenBytes(message.downstreamNodes[$0])
    }
    maxActive = message.hasMaxActiveFaults ? UInt64(message.maxActiveFaults.value) : nil
    countsByCluster = !message.disableDownstreamClusterStats
    metadata = try Self.metadata(message.filterMetadata)
  }

  private static func metadata(
    _ given: Google_Protobuf_Struct
  ) throws -> [(key: String, value: MetadataValue)] {
    try given.fields.sorted { $0.key < $1.key }.map { key, value in
      switch value.kind {
      case .stringValue(let text): (key, .text(text))
      case .numberValue(let number): (key, .number(number))
      case .boolValue(let value): (key, .boolean(value))
      default:
        throw ConfigurationError(
          "expected text, a number or a truth value", at: "filter_metadata.\(key)")
      }
    }
  }

  /// Whether the faults are for this request.
  func matches(_ stream: borrowing HTTPStream) -> Bool {
    let request = stream.requestHeaders
    if cluster.count > 0 {
      guard let target = stream.attribute(.clusterName), target.equals(cluster) else { return false }
    }
    if !nodes.isEmpty {
      guard let node = request[headers.node], isNamed(node, nodes) else { return false }
    }
    return matchers.allMatch(request, stream)
  }

  private func isNamed(_ node: BytesView, _ nodes: borrowing FrozenList<FrozenBytes>) -> Bool {
    let span = nodes.span
    for index in 0..<span.count where node.equals(span[index]) { return true }
    return false
  }
}

extension DelayRule {
  fileprivate init(
    _ message: Envoy_Extensions_Filters_Common_Fault_V3_FaultDelay, share: RuntimeKey,
    duration: RuntimeKey, _ headers: ControlHeaders
  ) {
    var header: HeaderName?
    if case .fixedDelay(let fixed)? = message.faultDelaySecifier {
      let milliseconds = fixed.seconds * 1_000 + Int64(fixed.nanos) / 1_000_000
      self.duration = .fixed(UInt64(clamping: milliseconds))
    } else {
      self.duration = .header
      header = headers.delayPercentage
    }
    self.share = FaultShare(share: Share(message.percentage), runtime: share, header: header)
    runtime = duration
  }
}

extension AbortRule {
  fileprivate init(
    _ message: Envoy_Extensions_Filters_Http_Fault_V3_FaultAbort, share: RuntimeKey,
    http: RuntimeKey, grpc: RuntimeKey, _ headers: ControlHeaders
  ) {
    var header: HeaderName?
    switch message.errorType {
    case .httpStatus(let code): status = .http(UInt64(code))
    case .grpcStatus(let code): status = .grpc(UInt64(code))
    case .headerAbort, nil:
      status = .header
      header = headers.abortPercentage
    }
    self.share = FaultShare(share: Share(message.percentage), runtime: share, header: header)
    httpRuntime = http
    grpcRuntime = grpc
  }
}

extension RateRule {
  fileprivate init(
    _ message: Envoy_Extensions_Filters_Common_Fault_V3_FaultRateLimit, share: RuntimeKey,
    _ headers: ControlHeaders
  ) {
    var header: HeaderName?
    if case .fixedLimit(let fixed)? = message.limitType {
      limit = .fixed(fixed.limitKbps)
    } else {
      limit = .header
      header = headers.throughputPercentage
    }
    self.share = FaultShare(share: Share(message.percentage), runtime: share, header: header)
  }
}
