// envoy.filters.http.fault: requests delayed, answered instead of sent upstream, responses slowed
// down; to see how clients bear it.
//
//     request head -> matches? -> limit of the response drawn -> delay drawn: wait
//                                 -> abort drawn, after the delay too: answer
//
// One request counts as one active fault, however many are injected into it. The number of active
// faults is the only thing that workers share; it is touched by requests with a fault alone.
import EnvoyMatchers
import MartletSDK
import Synchronization

struct FaultFilter: HTTPFilter, OnRequestHeaders, OnResponseBody, OnResponseTrailers, OnTimer,
  OnComplete
{
  static let name = "envoy.filters.http.fault"
  static let descriptors = Descriptors(base64: embeddedDescriptors)

  final class Settings: FilterSettings {
    let rules: FaultRules
    let active = Atomic<UInt64>(0)
    let aborts: Counter
    let delays: Counter
    let abortsByCluster: CounterFamily
    let delaysByCluster: CounterFamily
    let overflows: Counter
    let limits: Counter
    let activeGauge: Gauge

    init(_ given: GivenFault, _ scope: inout ConfigurationScope) throws {
      rules = try FaultRules(given.message, &scope)
      aborts = try scope.counter("fault.aborts_injected")
      delays = try scope.counter("fault.delays_injected")
      // By the client's x-envoy-downstream-service-cluster, as Envoy tags them.
      let label = ["envoy_fault_downstream_cluster"]
      abortsByCluster = try scope.counterFamily("fault.aborts_injected", labels: label)
      delaysByCluster = try scope.counterFamily("fault.delays_injected", labels: label)
      overflows = try scope.counter("fault.faults_overflow")
      limits = try scope.counter("fault.response_rl_injected")
      activeGauge = try scope.gauge("fault.active_faults")
    }
  }

  final class RouteSettings: FilterSettings {
    let rules: FaultRules

    init(_ given: GivenFault, _ scope: inout ConfigurationScope) throws {
      rules = try FaultRules(given.message, &scope)
    }
  }

  private enum Timer {
    static let delay = 0
    static let rate = 1
  }

  private var isActive = false
  private var limiter: RateLimiter?
  /// The response is over once what is held has gone.
  private var responseEnded = false
  private var rateTimerIsSet = false

  init(_ stream: inout HTTPStream, _ settings: Settings) {}

  mutating func onRequestHeaders(
    _ stream: inout HTTPStream, _ settings: Settings, end: Bool
  ) -> HeadersStatus {
    // A route's rules stand for the filter's.
    stream.withRouteSettings(RouteSettings.self) { begin(stream, settings, $0.rules) }
      ?? begin(stream, settings, settings.rules)
  }

  private mutating func begin(
    _ stream: borrowing HTTPStream, _ settings: Settings, _ rules: FaultRules
  ) -> HeadersStatus {
    guard rules.matches(stream) else { return .continue }
    limitResponse(stream, settings, rules)
    if let delay = rules.delayMilliseconds(stream), activate(stream, settings, rules) {
      stream.setTimer(Timer.delay, milliseconds: delay)
      stream.addResponseFlag("DI")
      rules.setMetadata(stream)
      count(settings.delays, settings.delaysByCluster, stream, rules)
      return .stopAllSlowing
    }
    if let answer = rules.abortAnswer(stream), activate(stream, settings, rules) {
      abort(answer, stream, settings, rules)
      return .stopAll
    }
    return .continue
  }

  mutating func onTimer(_ stream: inout HTTPStream, _ settings: Settings, timer: Int) {
    if timer == Timer.rate { return passLimited(stream) }
    let wasAborted =
      stream.withRouteSettings(RouteSettings.self) { afterDelay(stream, settings, $0.rules) }
      ?? afterDelay(stream, settings, settings.rules)
    if !wasAborted { stream.resume(.request) }
  }

  /// Whether the request was answered.
  private func afterDelay(
    _ stream: borrowing HTTPStream, _ settings: Settings, _ rules: FaultRules
  ) -> Bool {
    guard let answer = rules.abortAnswer(stream) else { return false }
    abort(answer, stream, settings, rules)
    return true
  }

  private func abort(
    _ answer: AbortAnswer, _ stream: borrowing HTTPStream, _ settings: Settings,
    _ rules: FaultRules
  ) {
    stream.addResponseFlag("FI")
    rules.setMetadata(stream)
    stream.reply(
      LocalReply(
        status: answer.status, body: "fault filter abort", details: "fault_filter_abort",
        grpcStatus: answer.grpcStatus))
    count(settings.aborts, settings.abortsByCluster, stream, rules)
  }

  private func count(
    _ counter: Counter, _ family: CounterFamily, _ stream: borrowing HTTPStream,
    _ rules: FaultRules
  ) {
    stream.add(to: counter)
    guard rules.countsByCluster, let cluster = stream.requestHeaders[rules.headers.cluster],
      !cluster.isEmpty, let series = stream.series(of: family, cluster)
    else { return }
    stream.add(to: series)
  }

  /// Whether the request may have a fault: it has one already, or there are not too many.
  private mutating func activate(
    _ stream: borrowing HTTPStream, _ settings: Settings, _ rules: FaultRules
  ) -> Bool {
    if isActive { return true }
    let limit = stream.runtime(rules.maxActiveRuntime, otherwise: rules.maxActive ?? .max)
    if settings.active.wrappingAdd(1, ordering: .relaxed).oldValue >= limit {
      settings.active.wrappingSubtract(1, ordering: .relaxed)
      stream.add(to: settings.overflows)
      return false
    }
    isActive = true
    stream.add(to: settings.activeGauge)
    return true
  }

  mutating func onComplete(
    _ stream: inout HTTPStream, _ settings: Settings, result: StreamResult
  ) {
    guard isActive else { return }
    isActive = false
    settings.active.wrappingSubtract(1, ordering: .relaxed)
    stream.subtract(from: settings.activeGauge)
  }

  // MARK: the limit of the response

  private mutating func limitResponse(
    _ stream: borrowing HTTPStream, _ settings: Settings, _ rules: FaultRules
  ) {
    guard let kibibytes = rules.responseLimit(stream), activate(stream, settings, rules) else {
      return
    }
    limiter = RateLimiter(kibibytes: kibibytes, now: stream.now)
    stream.add(to: settings.limits)
  }

  mutating func onResponseBody(
    _ stream: inout HTTPStream, _ settings: Settings, end: Bool
  ) -> BodyStatus {
    guard limiter != nil else { return .continue }
    if end { responseEnded = true }
    if end, stream.heldBytes(.response) == 0 { return .continue }
    // Outside of this hook, where the bytes can be passed on.
    if !rateTimerIsSet {
      rateTimerIsSet = true
      stream.setTimer(Timer.rate, milliseconds: 1)
    }
    return .stopSlowing
  }

  mutating func onResponseTrailers(
    _ stream: inout HTTPStream, _ settings: Settings
  ) -> TrailersStatus {
    guard limiter != nil, stream.heldBytes(.response) > 0 else { return .continue }
    responseEnded = true
    return .stop
  }

  private mutating func passLimited(_ stream: borrowing HTTPStream) {
    rateTimerIsSet = false
    let held = stream.heldBytes(.response)
    guard let count = limiter?.take(held, now: stream.now) else { return }
    if count == held, responseEnded {
      stream.resume(.response)
      return
    }
    if count > 0 { stream.pass(.response, count: count) }
    if count < held {
      rateTimerIsSet = true
      stream.setTimer(Timer.rate, milliseconds: RateLimiter.interval)
    }
  }
}
