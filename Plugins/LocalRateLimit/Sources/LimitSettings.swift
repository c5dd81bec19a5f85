// The configuration of the HTTP filter, compiled: of the filter and, the same message, of a route.
import EnvoyMatchers
import MartletSDK
import SwiftProtobuf

typealias LimitMessage = Envoy_Extensions_Filters_Http_LocalRatelimit_V3_LocalRateLimit

struct GivenLimit: ConfigurationMessage {
  static var typeNames: [String] { [LimitMessage.protoMessageName] }
  let message: LimitMessage

  init(configuration given: GivenConfiguration) throws {
    message = try LimitMessage(serializedBytes: given.bytes)
  }
}

/// A share of requests; nil: the runtime has no say.
struct RuntimeShare: Sendable {
  private let share: Share
  private let key: RuntimeKey?

  /// Nil: none of them.
  init?(
    _ message: Envoy_Config_Core_V3_RuntimeFractionalPercent, isGiven: Bool,
    _ scope: inout ConfigurationScope
  ) throws {
    guard isGiven else { return nil }
    share = Share(message.defaultValue)
    key = message.runtimeKey.isEmpty ? nil : try scope.runtimeKey(message.runtimeKey)
  }

  @inline(__always)
  func includes(_ stream: borrowing HTTPStream) -> Bool {
    if let key { return share.includes(stream, key) }
    if share.numerator >= share.denominator { return true }
    return share.numerator > 0 && stream.random % UInt64(share.denominator) < UInt64(share.numerator)
  }
}

struct LimitCounters: Sendable {
  let enabled: Counter
  let enforced: Counter
  let limited: Counter
  let ok: Counter
  let shadow: Counter

  init(_ prefix: String, _ scope: inout ConfigurationScope) throws {
    let prefix = "\(prefix).http_local_rate_limit."
    enabled = try scope.counter("\(prefix)enabled", relative: false)
    enforced = try scope.counter("\(prefix)enforced", relative: false)
    limited = try scope.counter("\(prefix)rate_limited", relative: false)
    ok = try scope.counter("\(prefix)ok", relative: false)
    shadow = try scope.counter("\(prefix)shadow_mode", relative: false)
  }
}

/// One message: of the filter or of a route.
final class LimitRules: Sendable {
  let shape: LimitShape
  /// Of all workers.
  let state: LimitState
  let isPerConnection: Bool
  /// Nil: the filter, or its limits, are for no request.
  let enabled: RuntimeShare?
  let enforced: RuntimeShare?
  let status: Int
  let grpcStatus: Int?
  /// The filter's own; nil: those of the route.
  private let ownRules: RateLimitRules?
  private let stage: Int
  private let virtualHost: VirtualHostRules
  let tellsLimits: Bool
  let tellsWhenToRetry: Bool
  let requestFields: FrozenList<AddedField>
  let responseFields: FrozenList<AddedField>
  let counters: LimitCounters

  init(_ message: LimitMessage, _ scope: inout ConfigurationScope, isForRoute: Bool = false) throws {
    if isForRoute, !message.hasTokenBucket {
      throw ConfigurationError("is required on a route", at: "token_bucket")
    }
    counters = try LimitCounters(message.statPrefix, &scope)
    shape = try LimitShape(
      common: message.hasTokenBucket ? message.tokenBucket : nil, message.descriptors,
      dynamicLimit: message.hasMaxDynamicDescriptors ? Int(message.maxDynamicDescriptors.value) : 20,
      alwaysTakesCommon: message.hasAlwaysConsumeDefaultTokenBucket
        ? message.alwaysConsumeDefaultTokenBucket.value : true,
      &scope)
    state = LimitState(shape, now: scope.now)
    isPerConnection = message.localRateLimitPerDownstreamConnection
    enabled = try RuntimeShare(message.filterEnabled, isGiven: message.hasFilterEnabled, &scope)
    enforced = try RuntimeShare(message.filterEnforced, isGiven: message.hasFilterEnforced, &scope)
    let code = message.status.code.rawValue
    status = code < 400 ? 429 : code
    grpcStatus = message.rateLimitedAsResourceExhausted ? 8 : nil
    stage = Int(message.stage)
    virtualHost =
      switch message.vhRateLimits {
      case .include: .too
      case .ignore: .not
      default: .otherwise
      }
    tellsLimits = message.enableXRatelimitHeaders == .draftVersion03
    tellsWhenToRetry = message.enableRetryAfterHeader && status == 429
    requestFields = try AddedField.list(
      message.requestHeadersToAddWhenNotEnforced, &scope, at: "request_headers_to_add_when_not_enforced")
    responseFields = try AddedField.list(
      message.responseHeadersToAdd, &scope, at: "response_headers_to_add")
    if !message.descriptors.isEmpty, !scope.knowsRateLimits {
      throw ConfigurationError("this proxy makes no descriptors of requests", at: "descriptors")
    }
    if message.rateLimits.isEmpty {
      ownRules = nil
    } else {
      ownRules = try scope.rateLimitRules(
        message.rateLimits.map { try $0.serializedBytes() }, at: "rate_limits")
    }
  }

  /// Whether requests are counted by descriptors at all.
  var hasDescriptors: Bool { !shape.descriptors.isEmpty }

  /// Adds what a request's descriptors match.
  func match(_ stream: borrowing HTTPStream, _ state: LimitState, to matches: inout [Match], now: UInt64) {
    let isOwn = ownRules != nil
    stream.withDescriptors(ownRules ?? .ofRoute, stage: stage, virtualHost: virtualHost) { descriptors in
      for index in 0..<descriptors.count {
        let descriptor = descriptors[index]
        // Those are for the global limits.
        if descriptor.hasDisableKey { continue }
        let key = DescriptorKey(descriptor)
        guard let place = shape.find(descriptor, key) else { continue }
        matches.append(
          Match(
            bucket: state.bucket(place, descriptor, key, now: now),
            hits: isOwn ? descriptor.hits ?? 1 : 1, givesBack: isOwn && descriptor.givesBack,
            headers: descriptor.headers))
      }
    }
  }
}
