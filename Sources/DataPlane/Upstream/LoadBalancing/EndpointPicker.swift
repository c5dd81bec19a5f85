// Chooses among endpoints that are all as good as each other: those of one priority and health,
// or of one locality of it. Round robin, least request or random.
//
// Threading: belongs to its worker.
import Model

final class EndpointPicker {
  private enum Rule {
    case turns
    /// Weights that change: least request with unequal weights, or while anybody is new.
    case schedule
    case fewestOf(Int)
    case fewest
    case random
  }
  private let endpoints: [EndpointRuntime]
  private let rule: Rule
  private var turns: RoundRobin
  private var schedule: WeightedSchedule
  private let leastRequestBias: Double?
  private let slowStart: SlowStartRamp?
  /// Until then somebody is new and the schedule stands instead of the rule.
  private var rampEnds: UInt64

  init(_ endpoints: [EndpointRuntime], balancing: LoadBalancing, now: UInt64, seed: UInt64) {
    self.endpoints = endpoints
    let isEven = endpoints.allSatisfy { $0.model.weight == endpoints[0].model.weight }
    var ramp: SlowStartRamp?
    switch balancing.policy {
    case .roundRobin, .clusterProvided:
      rule = .turns
      leastRequestBias = nil
      ramp = balancing.slowStart.map(SlowStartRamp.init)
    case .leastRequest(let options):
      rule =
        !isEven ? .schedule : options.scansAll ? .fewest : .fewestOf(Int(options.choices))
      leastRequestBias = options.activeRequestBias
      ramp = balancing.slowStart.map(SlowStartRamp.init)
    case .random:
      rule = .random
      leastRequestBias = nil
    }
    slowStart = ramp
    rampEnds = ramp.map { ramp in endpoints.map { $0.born &+ ramp.window }.max() ?? 0 } ?? 0
    turns = RoundRobin(weights: endpoints.map(\.model.weight), seed: seed)
    schedule = WeightedSchedule(weights: [], skip: 0)
    var isScheduled = rampEnds > now
    if case .schedule = rule { isScheduled = true }
    if isScheduled {
      schedule = WeightedSchedule(
        weights: endpoints.map { weight(of: $0, now: now) }, skip: Int(seed >> 33))
    }
  }

  var isEmpty: Bool { endpoints.isEmpty }
  var count: Int { endpoints.count }

  /// Nil when there is nobody.
  @inline(__always)
  func pick(_ random: inout RandomSource, now: UInt64) -> EndpointRuntime? {
    if rampEnds != 0 {
      if now < rampEnds { return pickScheduled(now) }
      rampEnds = 0
    }
    switch rule {
    case .turns:
      guard let index = turns.next() else { return nil }
      return endpoints[index]
    case .schedule: return pickScheduled(now)
    case .fewestOf(let choices): return pickFewest(of: choices, &random)
    case .fewest: return pickFewest(&random)
    case .random:
      if endpoints.isEmpty { return nil }
      return endpoints[Int(random.next(below: UInt64(endpoints.count)))]
    }
  }

  private func pickScheduled(_ now: UInt64) -> EndpointRuntime? {
    if endpoints.isEmpty { return nil }
    let chosen = endpoints[schedule.next]
    schedule.took(weight: weight(of: chosen, now: now))
    return chosen
  }

  private func weight(of endpoint: EndpointRuntime, now: UInt64) -> Double {
    var weight = Double(endpoint.model.weight)
    if let slowStart { weight *= slowStart.factor(age: now &- endpoint.born) }
    if let bias = leastRequestBias, bias > 0 {
      let active = Double(endpoint.activeRequests &+ 1)
      weight /= bias == 1 ? active : power(active, bias)
    }
    // A weight of nothing would never be due again.
    return Swift.max(weight, 1e-9)
  }

  /// The better of some drawn ones, the first of equals (Mitzenmacher's power of choices).
  private func pickFewest(of choices: Int, _ random: inout RandomSource) -> EndpointRuntime? {
    if endpoints.isEmpty { return nil }
    let bound = UInt64(endpoints.count)
    var best = endpoints[Int(random.next(below: bound))]
    for _ in 1..<choices {
      let other = endpoints[Int(random.next(below: bound))]
      if other.activeRequests < best.activeRequests { best = other }
    }
    return best
  }

  /// The best of all; among equals each is as likely.
  private func pickFewest(_ random: inout RandomSource) -> EndpointRuntime? {
    guard var best = endpoints.first else { return nil }
    var equals: UInt64 = 1
    for index in 1..<endpoints.count {
      let other = endpoints[index]
      if other.activeRequests < best.activeRequests {
        best = other
        equals = 1
      } else if other.activeRequests == best.activeRequests {
        equals += 1
        if random.next(below: equals) == 0 { best = other }
      }
    }
    return best
  }
}

/// How much of its weight a new endpoint has.
struct SlowStartRamp {
  /// Nanoseconds.
  let window: UInt64
  private let exponent: Double
  private let minimum: Double

  init(_ model: SlowStart) {
    window = Swift.max(model.window.clampedNanoseconds, 1)
    exponent = 1 / model.aggression
    minimum = model.minimumWeight
  }

  /// `age` in nanoseconds.
  func factor(age: UInt64) -> Double {
    if age >= window { return 1 }
    let time = Swift.max(Double(age), 1_000_000) / Double(window)
    let grown = exponent == 1 ? time : power(Swift.min(time, 1), exponent)
    return Swift.min(Swift.max(grown, minimum), 1)
  }
}
