// What one request has used of its retry policy: the attempts that are left, the endpoints that were
// tried, the wait before the next. The conditions may be widened by the request's own `x-envoy-...`
// headers, which only trusted clients' requests still carry here.
import CMartletSystem
import Model

struct RetryState {
  /// Nil: the request is not retried.
  private(set) var policy: RetryPolicyRuntime?
  private(set) var conditions: RetryPolicy.Conditions = []
  private(set) var left: UInt32 = 0
  private var extraStatus: [UInt32] = []
  private var backOffBound: UInt64 = 0
  /// The attempt at hand is a retry: it holds a place in the cluster's circuit breaker.
  var isRetry = false
  /// How long to wait for it was for the upstream to say.
  var isRateLimited = false

  /// What an attempt has come to.
  enum Outcome {
    case headers, connectFailure, reset(requestSent: Bool), timeout
    /// It goes on all the same: there is another beside it, whatever the conditions.
    case hedged
  }

  enum Decision { case no, exhausted, after(nanoseconds: UInt64, rateLimited: Bool) }

  var isEnabled: Bool { policy != nil && !conditions.isEmpty }

  /// The request is not sent again.
  mutating func disable() { conditions = [] }

  mutating func begin(_ policy: RetryPolicyRuntime?, request: MessageHead, fallback: RetryPolicyRuntime) {
    self.policy = nil
    conditions = []
    isRetry = false
    if !extraStatus.isEmpty { extraStatus.removeAll() }
    let headers = request.headers
    let hasOwn = headers.contains(.xEnvoyRetryOn) || headers.contains(.xEnvoyRetryGRPCOn)
    guard policy != nil || hasOwn else { return }
    let effective = policy ?? fallback
    conditions = effective.conditions
    if hasOwn { readConditions(headers) }
    guard !conditions.isEmpty, effective.takes(request) else {
      conditions = []
      return
    }
    self.policy = effective
    left = effective.retries
    backOffBound = effective.backOffBase
    if let own = headers.first(.xEnvoyMaxRetries)?.decimal { left = UInt32(clamping: own) }
    if let list = headers.first(.xEnvoyRetriableStatusCodes) {
      HTTP1FieldRules.forEachToken(list) { token in
        if let code = token.decimal { extraStatus.append(UInt32(clamping: code)) }
      }
    }
  }

  private mutating func readConditions(_ headers: HeaderMap) {
    if let list = headers.first(.xEnvoyRetryOn) {
      HTTP1FieldRules.forEachToken(list) { token in
        if let condition = RetryPolicy.Conditions(http: token.string) { conditions.formUnion(condition) }
      }
    }
    if let list = headers.first(.xEnvoyRetryGRPCOn) {
      HTTP1FieldRules.forEachToken(list) { token in
        if let condition = RetryPolicy.Conditions(grpc: token.string) { conditions.formUnion(condition) }
      }
    }
  }

  // MARK: The decision

  /// Whether to try again after this outcome. Uses up an attempt when it says when.
  mutating func decide(_ outcome: Outcome, _ response: MessageHead, _ context: WorkerContext) -> Decision {
    guard let policy, wants(outcome, response, policy) else { return .no }
    guard left > 0 else { return .exhausted }
    left -= 1
    if case .headers = outcome,
      let wait = policy.rateLimitWait(response, now: UInt64(clamping: martlet_wall_seconds()))
    {
      // Up to half as much again, so that those who were told the same do not come back together.
      let jitter = context.random.next(below: wait / 2_000_000 + 1) &* 1_000_000
      return .after(nanoseconds: wait &+ jitter, rateLimited: true)
    }
    let bound = Swift.max(backOffBound / 1000, 1)
    backOffBound = Swift.min(backOffBound &* 2, policy.backOffMax)
    return .after(nanoseconds: context.random.next(below: bound) &* 1000, rateLimited: false)
  }

  func wants(_ outcome: Outcome, _ response: MessageHead, _ policy: RetryPolicyRuntime) -> Bool {
    switch outcome {
    case .headers:
      return wantsStatus(response, policy)
    case .connectFailure:
      return !conditions.isDisjoint(
        with: [.serverError, .gatewayError, .reset, .resetBeforeRequest, .connectFailure])
    case .reset(let requestSent):
      if !requestSent, conditions.contains(.resetBeforeRequest) { return true }
      return !conditions.isDisjoint(with: [.serverError, .gatewayError, .reset])
    case .hedged: return true
    case .timeout:
      return !conditions.isDisjoint(with: [.serverError, .gatewayError, .reset])
    }
  }

  private func wantsStatus(_ response: MessageHead, _ policy: RetryPolicyRuntime) -> Bool {
    let status = response.status
    // An answer of another proxy's rate limit is retried only by who asks for that.
    if response.headers.contains(.xEnvoyRateLimited) { return conditions.contains(.rateLimited) }
    if conditions.contains(.serverError), status >= 500 { return true }
    if conditions.contains(.gatewayError), (502...504).contains(status) { return true }
    if conditions.contains(.retriable4xx), status == 409 { return true }
    if conditions.contains(.statusCodes),
      policy.statusCodes.contains(UInt32(status)) || extraStatus.contains(UInt32(status))
    {
      return true
    }
    if conditions.contains(.headers), policy.names(response) { return true }
    if !conditions.isDisjoint(with: .anyGRPC), let code = response.headers.first(.grpcStatus)?.decimal {
      return conditions.contains(RetryState.grpcCondition(code))
    }
    return false
  }

  private static func grpcCondition(_ status: UInt64) -> RetryPolicy.Conditions {
    switch status {
    case 1: .grpcCancelled
    case 4: .grpcDeadlineExceeded
    case 8: .grpcResourceExhausted
    case 13: .grpcInternal
    case 14: .grpcUnavailable
    // Contained in no set of conditions.
    default: RetryPolicy.Conditions(rawValue: 1 << 31)
    }
  }
}
