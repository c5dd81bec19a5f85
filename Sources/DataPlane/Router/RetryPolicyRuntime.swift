// A retry policy with its names resolved, and the decision whether an answer or a failure is worth
// another attempt. What a request has used of it is in `RetryState`.
import Model

final class RetryPolicyRuntime {
  let conditions: RetryPolicy.Conditions
  let retries: UInt32
  // Nanoseconds; 0: none.
  let perTryTimeout: UInt64
  let perTryIdleTimeout: UInt64
  let backOffBase: UInt64
  let backOffMax: UInt64
  let rateLimitMax: UInt64
  let avoidsPreviousHosts: Bool
  let maxPicks: Int
  let statusCodes: [UInt32]
  private let responseHeaders: [HeaderMatcherRuntime]
  private let requestHeaders: [HeaderMatcherRuntime]
  private let rateLimitHeaders: [(id: HeaderID, isTimestamp: Bool)]

  init(model: RetryPolicy, names: HeaderNameTable) {
    conditions = model.conditions
    retries = model.retries
    perTryTimeout = model.perTryTimeout?.clampedNanoseconds ?? 0
    perTryIdleTimeout = model.perTryIdleTimeout?.clampedNanoseconds ?? 0
    backOffBase = model.backOff.base.clampedNanoseconds
    backOffMax = model.backOff.max.clampedNanoseconds
    rateLimitMax = model.rateLimited?.max.clampedNanoseconds ?? 0
    avoidsPreviousHosts = model.avoidsPreviousHosts
    maxPicks = model.maxPicks
    statusCodes = model.statusCodes
    responseHeaders = model.responseHeaders.map { HeaderMatcherRuntime(model: $0, names: names) }
    requestHeaders = model.requestHeaders.map { HeaderMatcherRuntime(model: $0, names: names) }
    rateLimitHeaders = (model.rateLimited?.headers ?? []).compactMap { header in
      names.intern(Array(header.name.utf8)).map { ($0, header.isTimestamp) }
    }
  }

  /// Whether requests like this one are retried at all (`retriable_request_headers`).
  func takes(_ request: MessageHead) -> Bool {
    requestHeaders.isEmpty || requestHeaders.contains { $0.matches(request) }
  }

  /// `retriable-headers`.
  func names(_ response: MessageHead) -> Bool { responseHeaders.contains { $0.matches(response) } }

  /// The wait that an answer asks for, in nanoseconds. Nil: none that is followed. `now` is a wall
  /// clock in seconds.
  func rateLimitWait(_ response: MessageHead, now: UInt64) -> UInt64? {
    for header in rateLimitHeaders {
      guard let seconds = response.headers.first(header.id)?.decimal else { continue }
      let wait = header.isTimestamp ? (seconds > now ? seconds - now : 0) : seconds
      if wait == 0 || wait > rateLimitMax / 1_000_000_000 { continue }
      return wait * 1_000_000_000
    }
    return nil
  }
}
