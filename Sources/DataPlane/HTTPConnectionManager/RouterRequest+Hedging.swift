// Hedging (`hedge_policy.hedge_on_per_try_timeout`): an attempt that has reached its timeout is not
// given up but goes on beside the next, and the first good answer of all is the request's.
//
//     attempt --per-try timeout--> hedge ----------good head----> the attempt again, the others end
//        |                           +--bad head or failure--> ends, while others are on their way
//        +--> the next attempt, after the wait of a retry
//
// A request can only reach this timeout when it is whole: its body is kept, and nothing more of it has
// to be written to any of them.

extension RouterRequest {
  /// Something of the latest attempt may still come.
  private var isUnderWay: Bool { connection != nil || waitsIn != nil || retryAt != .max }

  /// The attempt at hand goes on, and another begins.
  func hedge() {
    guard let connection, let endpoint, retry.isEnabled, case .retry(let wait) = decide(.hedged) else {
      return
    }
    reportBytes()
    let attempt = HedgedAttempt(self, connection, endpoint, sentAt: sentAt, until: streamDeadline)
    connection.handOver(to: attempt)
    attempt.response.exchangeResponse(with: response)
    hedges.append(attempt)
    self.connection = nil
    streamDeadline = .max
    isTimeoutRetry = true
    retryLater(wait)
  }

  fileprivate func answered(_ attempt: HedgedAttempt, end: Bool) {
    let policy = retry.policy
    let isBad = retry.isEnabled && policy.map { retry.wants(.headers, attempt.response, $0) } == true
    if isBad, isUnderWay || hedges.count > 1 {
      hedges.removeAll { $0 === attempt }
      attempt.end(isError: true)
      return
    }
    adopt(attempt)
    retry.disable()
    upstreamHead(end: end)
  }

  fileprivate func informed(_ attempt: HedgedAttempt) {
    adopt(attempt)
    upstreamInformational()
  }

  fileprivate func failed(_ attempt: HedgedAttempt, _ failure: UpstreamFailure) {
    hedges.removeAll { $0 === attempt }
    attempt.end(isError: true)
    countLocal(UpstreamFailureText.status(failure))
    if isUnderWay || !hedges.isEmpty { return }
    replyFailed(failure)
  }

  /// When the first of them has lasted its `max_stream_duration`.
  var hedgeDeadline: UInt64 { hedges.reduce(.max) { Swift.min($0, $1.deadline) } }

  /// The others go on; Envoy ends them all.
  func endLateHedges(now: UInt64) {
    for attempt in hedges where now >= attempt.deadline {
      hedges.removeAll { $0 === attempt }
      attempt.end(isError: false)
      cluster?.counters.add(.requestMaxDuration)
    }
    if !isUnderWay, hedges.isEmpty { replyTookTooLong() }
  }

  /// The attempt is the request's, the others end.
  private func adopt(_ attempt: HedgedAttempt) {
    hedges.removeAll { $0 === attempt }
    cancel()
    if retry.isRetry { endRetry() }
    connection = attempt.connection
    connection?.handOver(to: self)
    response.exchangeResponse(with: attempt.response)
    endpoint = attempt.endpoint
    sentAt = attempt.sentAt
    streamDeadline = attempt.deadline
    sending = true
    stream.info.endpoint = attempt.endpoint
    stream.info.upstreamConnectionID = attempt.connection?.id ?? 0
    stream.codec?.deadlineChanged(stream)
  }

  /// Another answer is there, or nobody waits for one.
  func dropHedges() {
    let all = hedges
    hedges.removeAll(keepingCapacity: true)
    for attempt in all { attempt.end(isError: false) }
  }
}

/// An attempt that has reached its timeout. Belongs to the request until one of them ends it.
final class HedgedAttempt: UpstreamHandler {
  private unowned(unsafe) let router: RouterRequest
  /// Nil when it has ended.
  private(set) var connection: HTTP1ClientConnection?
  let endpoint: EndpointRuntime
  let sentAt: UInt64
  /// Of its `max_stream_duration`.
  let deadline: UInt64

  init(
    _ router: RouterRequest, _ connection: HTTP1ClientConnection, _ endpoint: EndpointRuntime,
    sentAt: UInt64, until deadline: UInt64
  ) {
    self.router = router
    self.connection = connection
    self.endpoint = endpoint
    self.sentAt = sentAt
    self.deadline = deadline
  }

  /// No longer counted as active; its connection, if it has one, is closed.
  func end(isError: Bool) {
    endpoint.cluster.counters.subtract(.requestActive)
    endpoint.counters.subtract(.requestActive)
    if isError { endpoint.counters.add(.requestError) }
    let connection = connection
    self.connection = nil
    connection?.cancel()
  }

  override func upstreamHead(end: Bool) { router.answered(self, end: end) }
  override func upstreamInformational() { router.informed(self) }

  override func upstreamFailed(_ failure: UpstreamFailure) {
    connection = nil
    router.failed(self, failure)
  }
}
