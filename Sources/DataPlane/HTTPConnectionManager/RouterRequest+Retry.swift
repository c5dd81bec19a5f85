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
    streamDuration = nil
    hedgesOnPerTryTimeout = action.hedgesOnPerTryTimeout
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
    if let text = headers.first(.xEnvoyUpstreamStreamDuration) {
      if let milliseconds = text.decimal { streamDuration = RouterRequest.nanoseconds(milliseconds) }
      headers.remove(.xEnvoyUpstreamStreamDuration)
    }
    if let text = headers.first(.xEnvoyHedgeOnPerTryTimeout) {
      if text == "true" { hedgesOnPerTryTimeout = true }
      if text == "false" { hedgesOnPerTryTimeout = false }
      headers.remove(.xEnvoyHedgeOnPerTryTimeout)
    }
  }

  private static func nanoseconds(_ milliseconds: UInt64) -> UInt64 {
    Swift.min(milliseconds, UInt64(Int64.max) / 2_000_000) &* 1_000_000
  }

  @inline(__always)
  func beginRetries(_ action: RouteActionRuntime) {
    // A redirect may ask for the body again.
    keepsBody = action.internalRedirect != nil
    retryAt = .max
    perTryDeadline = .max
    perTryIdleDeadline = .max
    streamDeadline = .max
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
    if retry.isEnabled { keepsBody = true }
  }

  // MARK: The body

  /// Bytes that are kept at most.
  var bodyLimit: Int {
    action?.bodyLimit.map { Int(clamping: $0) } ?? stream.bufferLimit
  }

  /// Does not own the slice.
  func keepForRetry(_ slice: Slice) {
    let queue = early ?? OutboundQueue(pool: context.reactor.pool)
    early = queue
    slice.chunk.retain()
    queue.append(slice)
    if queue.byteCount > bodyLimit {
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
    case .answer: return false
    case .cannot:
      // What is still on its way may be better.
      if hedges.isEmpty { return false }
      if end { dropsAnswer = true } else { cancelUpstream() }
      return true
    case .retry(let wait):
      cluster?.responses.countRetried(response.status)
      isTimeoutRetry = false
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
    guard case .retry(let wait) = decide(outcome) else { return false }
    isTimeoutRetry = false
    retryLater(wait)
    return true
  }

  enum Verdict {
    case answer
    /// There ought to be another attempt, and there may be none.
    case cannot
    /// Nanoseconds to wait for it.
    case retry(after: UInt64)
  }

  func decide(_ outcome: RetryState.Outcome) -> Verdict {
    guard let cluster, let action else { return .answer }
    let decision = retry.decide(outcome, response, context)
    let wasRetry = retry.isRetry
    if wasRetry { endRetry() }
    switch decision {
    case .no:
      if wasRetry, case .headers = outcome {
        cluster.counters.add(.requestRetrySuccess)
        statistics.add(.retrySuccess)
      }
      return .answer
    case .exhausted:
      cluster.counters.add(.requestRetryLimitExceeded)
      statistics.add(.retryLimitExceeded)
      stream.info.flags.formUnion(.upstreamRetryLimitExceeded)
      return .cannot
    case .after(let wait, let rateLimited):
      guard cluster.takeRetry(action.priority) else {
        statistics.add(.retryOverflow)
        stream.info.flags.formUnion(.upstreamOverflow)
        return .cannot
      }
      retry.isRetry = true
      retry.isRateLimited = rateLimited
      return .retry(after: wait)
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

  var nextDeadline: UInt64 {
    let next = Swift.min(
      Swift.min(retryAt, streamDeadline), Swift.min(perTryDeadline, perTryIdleDeadline))
    return hedges.isEmpty ? next : Swift.min(next, hedgeDeadline)
  }

  var hasPerTryTimeout: Bool { perTryTimeout > 0 || (action?.retryPolicy?.perTryIdleTimeout ?? 0) > 0 }

  /// The request is on its way, whole: the attempt's time runs.
  func startPerTry() {
    guard stream.requestForwarded else { return }
    if perTryTimeout > 0, !headReceived { perTryDeadline = context.reactor.now &+ perTryTimeout }
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
      cluster.counters.add(.requestRetry)
      cluster.counters.add(retry.isRateLimited ? .requestRetryRateLimited : .requestRetryExponential)
      statistics.add(.retry)
      attempt(action, cluster)
    } else if !hedges.isEmpty, now >= hedgeDeadline {
      endLateHedges(now: now)
    } else if now >= streamDeadline {
      streamDeadline = .max
      attemptTookTooLong()
    } else if now >= perTryDeadline {
      attemptTimedOut(.requestPerTryTimeout, details: ResponseDetails.perTryTimeout)
    } else if now >= perTryIdleDeadline {
      attemptTimedOut(.requestPerTryIdleTimeout, details: ResponseDetails.perTryIdleTimeout)
    }
  }

  /// The attempt has got its connection.
  @inline(__always)
  func startStreamTimer() {
    let duration = streamDuration ?? cluster?.maxStreamDuration ?? 0
    if duration > 0 { startStreamTimer(duration) }
  }

  private func startStreamTimer(_ duration: UInt64) {
    streamDeadline = context.reactor.now &+ duration
    stream.codec?.deadlineChanged(stream)
  }

  /// `max_stream_duration` of the cluster, or of the request's own header.
  private func attemptTookTooLong() {
    cluster?.counters.add(.requestMaxDuration)
    if retry.isEnabled, !headReceived, case .retry(let wait) = decide(.reset(requestSent: true)) {
      cancelUpstream()
      isTimeoutRetry = false
      retryLater(wait)
      return
    }
    if !hedges.isEmpty {
      // Another attempt is still on its way.
      cancelUpstream(isError: false)
      sending = false
      return
    }
    replyTookTooLong()
  }

  func replyTookTooLong() {
    stream.reply(
      stream.requestComplete ? 504 : 408, body: "upstream max stream duration reached",
      flags: .upstreamMaxStreamDurationReached, details: ResponseDetails.maxStreamDuration)
  }

  private func attemptTimedOut(_ stat: ClusterStat, details: StaticString) {
    if hedgesOnPerTryTimeout {
      perTryDeadline = .max
      perTryIdleDeadline = .max
      if !headReceived, retry.policy != nil { hedge() }
      return
    }
    cluster?.counters.add(stat)
    endpoint?.counters.add(.requestTimeout)
    perTryDeadline = .max
    perTryIdleDeadline = .max
    if headReceived {
      stream.info.flags.formUnion(.upstreamRequestTimeout)
      stream.info.setDetails(details)
      stream.reset()
      return
    }
    if retry.isEnabled, case .retry(let wait) = decide(.timeout) {
      cancelUpstream()
      isTimeoutRetry = true
      retryLater(wait)
      return
    }
    cancelUpstream()
    countLocal(timeoutIs204 ? 204 : 504)
    replyTimeout(details: details)
  }
}
