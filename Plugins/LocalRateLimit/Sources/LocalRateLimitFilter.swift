// envoy.filters.http.local_ratelimit: requests over a limit are answered 429 here, or marked.
//
//     request head -> enabled? -> descriptors -> buckets -> passes
//                                                        -> not enforced: fields added, passes
//                                                        -> enforced: answered
//     response head (the filter's own answer too) -> x-ratelimit-..., retry-after
//
// The buckets are the settings' and are shared by the workers; what they have is asked and changed without a
// lock. With limits per connection they hang at the connection.
import MartletSDK

struct LocalRateLimitFilter: HTTPFilter, OnRequestHeaders, OnResponseHeaders {
  static let name = "envoy.filters.http.local_ratelimit"
  static let descriptors = Descriptors(base64: embeddedDescriptors)
  /// Each place has buckets of its own.
  static let isStateful = true

  final class Settings: FilterSettings {
    let rules: LimitRules
    let names: LimitFieldNames

    init(_ given: GivenLimit, _ scope: inout ConfigurationScope) throws {
      rules = try LimitRules(given.message, &scope)
      names = try LimitFieldNames(scope)
    }
  }

  final class RouteSettings: FilterSettings {
    let rules: LimitRules

    init(_ given: GivenLimit, _ scope: inout ConfigurationScope) throws {
      rules = try LimitRules(given.message, &scope, isForRoute: true)
    }
  }

  /// On one worker: the memory in which a request's matches are collected.
  final class Shared: FilterWorker {
    let settings: Settings
    fileprivate var matches: [Match] = []

    init(_ worker: inout WorkerScope, _ settings: Settings) {
      self.settings = settings
      matches.reserveCapacity(16)
    }
  }

  /// What the response's head is to say. Nothing: its hook has nothing to do.
  private var bucket: BucketReference?
  private var tellsLimits = false
  private var isStopped = false

  init(_ stream: inout HTTPStream, _ shared: Shared) {}

  mutating func onRequestHeaders(
    _ stream: inout HTTPStream, _ shared: Shared, end: Bool
  ) -> HeadersStatus {
    // A route's message stands for the filter's.
    stream.withRouteSettings(RouteSettings.self) { check(stream, shared, $0.rules) }
      ?? check(stream, shared, shared.settings.rules)
  }

  private mutating func check(
    _ stream: borrowing HTTPStream, _ shared: Shared, _ rules: LimitRules
  ) -> HeadersStatus {
    guard let enabled = rules.enabled, enabled.includes(stream) else { return .continue }
    stream.add(to: rules.counters.enabled)
    let now = stream.now
    let decision =
      rules.isPerConnection
      ? decide(stream, shared, rules, connectionState(stream, rules, now: now), now: now)
      : decide(stream, shared, rules, rules.state, now: now)
    switch decision.headers {
    case .unspecified: tellsLimits = rules.tellsLimits
    case .on: tellsLimits = true
    case .off: tellsLimits = false
    }
    if tellsLimits { bucket = decision.bucket }
    if decision.isAllowed, !decision.isShadowed {
      stream.add(to: rules.counters.ok)
      return .continue
    }
    stream.add(to: rules.counters.limited)
    if decision.isAllowed {
      stream.add(to: rules.counters.shadow)
      return .continue
    }
    guard let enforced = rules.enforced, enforced.includes(stream) else {
      AddedField.apply(rules.requestFields, to: stream.requestHeaders, stream)
      return .continue
    }
    stream.add(to: rules.counters.enforced)
    stop(stream, rules, decision.bucket)
    return .stopAll
  }

  private func decide(
    _ stream: borrowing HTTPStream, _ shared: Shared, _ rules: LimitRules, _ state: LimitState, now: UInt64
  ) -> Decision {
    if rules.hasDescriptors { rules.match(stream, state, to: &shared.matches, now: now) }
    return rules.shape.decide(state, &shared.matches, now: now)
  }

  /// The buckets of the request's connection.
  private func connectionState(
    _ stream: borrowing HTTPStream, _ rules: LimitRules, now: UInt64
  ) -> LimitState {
    if let known = stream.attached(LimitState.self, key: rules) { return known }
    let made = LimitState(rules.shape, now: now)
    // More than the host lets a connection have: better too strict than without a limit.
    return stream.attach(made, key: rules).isOK ? made : rules.state
  }

  private mutating func stop(
    _ stream: borrowing HTTPStream, _ rules: LimitRules, _ decided: BucketReference?
  ) {
    isStopped = true
    if rules.tellsWhenToRetry { bucket = decided }
    stream.addResponseFlag("RL")
    stream.reply(
      LocalReply(
        status: rules.status, body: "local_rate_limited", details: "local_rate_limited",
        grpcStatus: rules.grpcStatus))
  }

  mutating func onResponseHeaders(
    _ stream: inout HTTPStream, _ shared: Shared, end: Bool
  ) -> HeadersStatus {
    if isStopped {
      _ =
        stream.withRouteSettings(RouteSettings.self) { explain(stream, shared.settings.names, $0.rules) }
        ?? explain(stream, shared.settings.names, shared.settings.rules)
    }
    guard tellsLimits, let bucket else { return .continue }
    let now = stream.now
    let fields = stream.responseHeaders
    let names = shared.settings.names
    bucket.with { bucket in
      names.add(.limit, bucket.rate.maxTokens, to: fields)
      names.add(.remaining, bucket.remaining(now: now), to: fields)
      names.add(.reset, bucket.secondsToNext(now: now), to: fields)
    }
    return .continue
  }

  /// The filter's own answer.
  private func explain(_ stream: borrowing HTTPStream, _ names: LimitFieldNames, _ rules: LimitRules) {
    let fields = stream.responseHeaders
    AddedField.apply(rules.responseFields, to: fields, stream)
    guard rules.tellsWhenToRetry, let bucket, !fields.contains(names.retryAfter) else { return }
    let seconds = bucket.with { $0.secondsToNext(now: stream.now) }
    names.add(.retryAfter, max(seconds, 1), to: fields)
  }
}

/// The fields that tell of a limit.
struct LimitFieldNames: Sendable {
  enum Field { case limit, remaining, reset, retryAfter }
  let retryAfter: HeaderName

  init(_ scope: borrowing ConfigurationScope) throws { retryAfter = try scope.header("retry-after") }

  func add(_ field: Field, _ number: UInt64, to fields: HeaderMap) {
    let name: StaticString =
      switch field {
      case .limit: "x-ratelimit-limit"
      case .remaining: "x-ratelimit-remaining"
      case .reset: "x-ratelimit-reset"
      case .retryAfter: "retry-after"
      }
    fields.add(name, "\(number)")
  }
}
