// When a request is sent again: conditions by name, waits, and the endpoints to avoid.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func retryPolicy(_ message: Envoy_Config_Route_V3_RetryPolicy, at place: Place) -> RetryPolicy {
    var policy = RetryPolicy()
    policy.conditions = conditions(message.retryOn, at: place.field("retry_on"))
    if message.hasNumRetries { policy.retries = message.numRetries.value }
    policy.perTryTimeout = timeout(message.perTryTimeout, isSet: message.hasPerTryTimeout)
    policy.perTryIdleTimeout = timeout(message.perTryIdleTimeout, isSet: message.hasPerTryIdleTimeout)
    policy.statusCodes = message.retriableStatusCodes
    policy.responseHeaders = matchers(message.retriableHeaders, at: place.field("retriable_headers"))
    policy.requestHeaders = matchers(
      message.retriableRequestHeaders, at: place.field("retriable_request_headers"))
    if message.hasRetryBackOff {
      let backOff = place.field("retry_back_off")
      policy.backOff.base = Duration(message.retryBackOff.baseInterval)
      policy.backOff.max =
        message.retryBackOff.hasMaxInterval
        ? Duration(message.retryBackOff.maxInterval) : policy.backOff.base * 10
      if policy.backOff.max < policy.backOff.base, !backOff.isDoubtful {
        error("must not be less than `base_interval`", at: backOff.field("max_interval"))
      }
    }
    if message.hasRateLimitedRetryBackOff {
      policy.rateLimited = rateLimited(message.rateLimitedRetryBackOff)
    }
    let predicates = place.field("retry_host_predicate")
    for (index, predicate) in message.retryHostPredicate.enumerated() {
      let converted = RetryHostPredicateExtension.convert(
        predicate.typedConfig, among: RetryHostPredicateExtension.all, with: self,
        at: predicates.element(index).field("typed_config"))
      if converted != nil { policy.avoidsPreviousHosts = true }
    }
    if message.hostSelectionRetryMaxAttempts > 0 {
      policy.maxPicks = Int(message.hostSelectionRetryMaxAttempts)
    }
    return policy
  }

  private func conditions(_ text: String, at place: Place) -> RetryPolicy.Conditions {
    var result: RetryPolicy.Conditions = []
    for part in text.split(separator: ",") {
      let name = part.trimming { $0 == " " || $0 == "\t" }
      if let condition = RetryPolicy.Conditions(http: name) ?? RetryPolicy.Conditions(grpc: name) {
        result.formUnion(condition)
      } else if !place.isRefused {
        error("there is no retry condition \"\(name)\"", at: place)
      }
    }
    return result
  }

  private func matchers(
    _ messages: [Envoy_Config_Route_V3_HeaderMatcher], at place: Place
  ) -> [HeaderMatcher] {
    messages.enumerated().compactMap { headerMatcher($1, at: place.element($0)) }
  }

  private func rateLimited(
    _ message: Envoy_Config_Route_V3_RetryPolicy.RateLimitedRetryBackOff
  ) -> RetryPolicy.RateLimitedBackOff {
    var backOff = RetryPolicy.RateLimitedBackOff()
    backOff.headers = message.resetHeaders.map {
      .init(name: $0.name.lowercased(), isTimestamp: $0.format == .unixTimestamp)
    }
    if message.hasMaxInterval { backOff.max = Duration(message.maxInterval) }
    return backOff
  }
}

extension Substring {
  fileprivate func trimming(_ isSpace: (Character) -> Bool) -> Substring {
    var result = drop(while: isSpace)
    while let last = result.last, isSpace(last) { result.removeLast() }
    return result
  }
}
