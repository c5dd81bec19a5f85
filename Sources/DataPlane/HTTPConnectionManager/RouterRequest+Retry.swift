// Sending a request again (`config.route.v3.RetryPolicy`), and the timeouts of one attempt.
//
// A request that may be retried keeps its body, up to the stream's buffer limit; over it the request
// goes on and is not retried any more. Between attempts it holds nothing but a deadline.
import Model

extension RouterRequest {
  private var context: WorkerContext { stream.manager.context }

  // MARK: What the request may ask for

  /// The timeouts of the route, or those that a trusted client's headers give.
  @inline(__always)
  func readTimeouts(_ action: RouteActionRuntime) {
    timeout = action.timeout
    perTryTimeout = action.retryPolicy?.perTryTimeout ?? 0
    timeoutIs204 = false
    if stream.request.headers.present.meets(RequestSanitizer.consumed) { readHeaderTimeouts() }
    // An attempt cannot last longer than all of them.
    if timeout > 0, perTryTimeout >= timeout { perTryTimeout = 0 }
  }

  private func readHeaderTimeouts() {
    let headers = stream.request.headers
    if let text = headers.first(.xEnvoyUpstreamTimeout) {
      if let milliseconds = text.decimal { timeout = RouterRequest.nanoseconds(milliseconds) }
      headers.remove(.xEnvoyUpstreamTimeout)
    }
    if let text = headers.first(.xEnvoyPerTryTimeout) {
      if let milliseconds = text.decimal { perTryTimeout = RouterRequest.nanoseconds(milliseconds) }
      headers.remove(.xEnvoyPerTryTimeout)
    }
    if let text = headers.first(.xEnvoyTimeoutAltResponse) {
      timeoutIs204 = text.decimal == 204
      headers.remove(.xEnvoyTimeoutAltResponse)
    }
  }

  private static func nanoseconds(_ milliseconds: UInt64) -> UInt64 {
    Swift.min(milliseconds, UInt64(Int64.max) / 2_000_000) &* 1_000_000
  }

  @inline(__always)
  func beginRetries(_ action: RouteActionRuntime) {
    keepsBody = false
    retryAt = .max
    perTryDeadline = .max
    perTryIdleDeadline = .max
    if !tried.isEmpty { tried.removeAll(keepingCapacity: true) }
    let headers = stream.request.headers
    let asks = headers.contains(.xEnvoyRetryOn) || headers.contains(.xEnvoyRetryGRPCOn)
    guard action.retryPolicy != nil || asks else {
      retry = RetryState()
      return
    }
    retry.begin(action.retryPolicy, request: stream.request, fallback: stream.manager.defaultRetryPolicy)
    for id in [HeaderID.xEnvoyRetryOn, .xEnvoyRetryGRPCOn, .xEnvoyMaxRetries, .xEnvoyRetriableStatusCodes] {
      headers.remove(id)
    }
    keepsBody = retry.isEnabled
  }

  // MARK: The body

  /// Does not own the slice.
  func keepForRetry(_ slice: Slice) {
    let queue = early ?? OutboundQueue(pool: context.reactor.pool)
    early = queue
    slice.chunk.retain()
    queue.append(slice)
    if queue.byteCount > stream.bufferLimit {
      stopKeeping()
      queue.removeAll()
    }
  }

  /// Too long to be kept: the request goes on, and this attempt is its last.
  func stopKeeping() {
    keepsBody = false
    retry.disable()
    cluster?.counters.add(.requestRetryAbandoned)
  }

  // MARK: Another attempt

  /// An answer's head has come. True: it is not for the client.
  func retriesAnswer(end: Bool) -> Bool {
    switch decide(.headers) {
    case nil: return false
    case .some(let wait):
      endpoint?.counters.add(.requestError)
      if end {
        // The connection is given back first: `upstreamEnd` follows.
        retryWait = wait
      } else {
        cancelUpstream()
        retryLater(wait)
      }
      return true
    }
  }

  /// The attempt has failed before an answer came. True: there will be another.
  func retries(_ failure: UpstreamFailure, wasPending: Bool) -> Bool {
    let outcome: RetryState.Outcome
    switch failure {
    case .overflow: return false
    case .connect, .connectTimeout: outcome = .connectFailure
    default: outcome = .reset(requestSent: !wasPending)
    }
    guard let wait = decide(outcome) else { return false }
    retryLater(wait)
    return true
  }

  /// Nanoseconds to wait, where there is to be another attempt.
  private func decide(_ outcome: RetryState.Outcome) -> UInt64? {
    guard let cluster, let action else { return nil }
    let decision = retry.decide(outcome, response, context)
    let wasRetry = retry.isRetry
    if wasRetry { endRetry() }
    switch decision {
    case .no:
      if wasRetry, case .headers = outcome { cluster.counters.add(.requestRetrySuccess) }
      return nil
    case .exhausted:
      cluster.counters.add(.requestRetryLimitExceeded)
      stream.info.flags.formUnion(.upstreamRetryLimitExceeded)
      return nil
    case .after(let wait, let rateLimited):
      guard cluster.takeRetry(action.priority) else { return nil }
      retry.isRetry = true
      cluster.counters.add(.requestRetry)
      cluster.counters.add(rateLimited ? .requestRetryRateLimited : .requestRetryExponential)
      return wait
    }
  }

  /// The retry at hand no longer counts.
  func endRetry() {
    retry.isRetry = false
    if let action { cluster?.releaseRetry(action.priority) }
  }

  /// The last attempt is over; the next begins after `wait` nanoseconds.
  func retryLater(_ wait: UInt64) {
    sending = false
    retryWait = nil
    response.reset()
    responseTrailers.headers.clear()
    if retry.policy?.avoidsPreviousHosts == true, let endpoint { tried.append(ObjectIdentifier(endpoint)) }
    // The rest of the body, if there is any, waits for the next connection.
    if !stream.requestForwarded { stream.pauseRequest(.upstream) }
    retryAt = context.reactor.now &+ wait
    stream.codec?.deadlineChanged(stream)
  }

  /// An endpoint that has not been tried, as far as the policy lets one look for it.
  func pickUntried(_ cluster: ClusterRuntime) -> EndpointRuntime? {
    var picked = pick(cluster)
    var left = retry.policy?.maxPicks ?? 0
    while left > 0, let endpoint = picked, tried.contains(ObjectIdentifier(endpoint)) {
      picked = pick(cluster)
      left -= 1
    }
    return picked
  }

  // MARK: Time

  var nextDeadline: UInt64 { Swift.min(retryAt, Swift.min(perTryDeadline, perTryIdleDeadline)) }

  var hasPerTryTimeout: Bool { perTryTimeout > 0 || (action?.retryPolicy?.perTryIdleTimeout ?? 0) > 0 }

  /// The request is on its way, whole: the attempt's time runs.
  func startPerTry() {
    guard stream.requestForwarded else { return }
    if perTryTimeout > 0 { perTryDeadline = context.reactor.now &+ perTryTimeout }
    startPerTryIdle()
    stream.codec?.deadlineChanged(stream)
  }

  func startPerTryIdle() {
    let idle = action?.retryPolicy?.perTryIdleTimeout ?? 0
    if idle > 0 { perTryIdleDeadline = context.reactor.now &+ idle }
  }

  func checkDeadlines(now: UInt64) {
    if now >= retryAt {
      retryAt = .max
      guard let action, let cluster else { return }
      attempt(action, cluster)
    } else if now >= perTryDeadline {
      cluster?.counters.add(.requestPerTryTimeout)
      attemptTimedOut(details: ResponseDetails.perTryTimeout)
    } else if now >= perTryIdleDeadline {
      cluster?.counters.add(.requestPerTryIdleTimeout)
      attemptTimedOut(details: ResponseDetails.perTryIdleTimeout)
    }
  }

  private func attemptTimedOut(details: StaticString) {
    endpoint?.counters.add(.requestTimeout)
    perTryDeadline = .max
    perTryIdleDeadline = .max
    if headReceived {
      stream.info.flags.formUnion(.upstreamRequestTimeout)
      stream.info.setDetails(details)
      stream.reset()
      return
    }
    if retry.isEnabled, let wait = decide(.timeout) {
      cancelUpstream()
      retryLater(wait)
      return
    }
    cancelUpstream()
    replyTimeout(details: details)
  }
}
