// Chooses an endpoint of a cluster: a priority by its load, there the healthy or the degraded (or
// all, in a panic), where localities are weighted a locality, and in it an endpoint.
//
//     pick -> draw (1 of 100) -> source -> [locality] -> endpoint picker -> endpoint
//
// All of it is made when endpoints change. In the usual cluster, of one priority and everybody
// healthy, there is one source and nothing is drawn.
//
// Threading: belongs to its worker.
import Model

final class LoadBalancer {
  private enum Source {
    case endpoints(EndpointPicker)
    case localities(LocalityPicker)
    case nobody
  }
  private struct Share {
    /// The draws up to it, 1...100, that no earlier share took.
    var upTo: UInt64
    var source: Source
    var isPanic: Bool
  }
  private var shares: [Share] = []
  /// The usual cluster's, where nothing is drawn.
  private let only: EndpointPicker?
  private(set) var healthyCount = 0
  private(set) var degradedCount = 0
  private(set) var excludedCount = 0
  private let counters: Counters<ClusterStat>

  init(
    _ endpoints: [EndpointRuntime], balancing: LoadBalancing, now: UInt64,
    random: inout RandomSource, counters: Counters<ClusterStat>
  ) {
    self.counters = counters
    let count = (endpoints.map(\.model.priority).max() ?? 0) + 1
    var groups = Array(repeating: [EndpointRuntime](), count: count)
    for endpoint in endpoints { groups[endpoint.model.priority].append(endpoint) }
    let census = groups.map(LoadBalancer.census)
    for priority in census {
      healthyCount += priority.healthy
      degradedCount += priority.degraded
      excludedCount += priority.excluded
    }
    let load = PriorityLoad(
      census, overprovisioning: balancing.overprovisioningFactor,
      panicThreshold: balancing.panicThreshold, byWeight: balancing.weighsPriorityHealth)
    var made: [Share] = []
    var sum: UInt64 = 0
    func add(_ percent: UInt32, _ group: Int, _ health: Endpoint.Health) {
      guard percent > 0 else { return }
      sum += UInt64(percent)
      let panics = load.panics[group]
      var source = Source.nobody
      if !panics {
        source = LoadBalancer.source(
          groups[group], health, census[group], balancing, now: now, random: &random)
      } else if !balancing.failsOnPanic {
        source = .endpoints(
          EndpointPicker(groups[group], balancing: balancing, now: now, seed: random.next()))
      }
      made.append(Share(upTo: sum, source: source, isPanic: panics))
    }
    for group in groups.indices { add(load.healthy[group], group, .healthy) }
    for group in groups.indices { add(load.degraded[group], group, .degraded) }
    shares = made
    if made.count == 1, !made[0].isPanic, case .endpoints(let picker) = made[0].source {
      only = picker
    } else {
      only = nil
    }
  }

  private static func census(_ endpoints: [EndpointRuntime]) -> PriorityLoad.Census {
    var census = PriorityLoad.Census()
    for endpoint in endpoints {
      let weight = UInt64(endpoint.model.weight)
      census.total += 1
      census.totalWeight += weight
      switch endpoint.model.health {
      case .healthy:
        census.healthy += 1
        census.healthyWeight += weight
      case .degraded:
        census.degraded += 1
        census.degradedWeight += weight
      case .draining:
        census.excluded += 1
        census.excludedWeight += weight
      case .unhealthy, .timeout: break
      }
    }
    return census
  }

  private static func source(
    _ all: [EndpointRuntime], _ health: Endpoint.Health, _ census: PriorityLoad.Census,
    _ balancing: LoadBalancing, now: UInt64, random: inout RandomSource
  ) -> Source {
    if balancing.weighsLocalities, all.contains(where: { $0.model.localityWeight != nil }) {
      let picker = LocalityPicker(
        all, health: health, balancing: balancing, now: now, random: &random)
      return picker.isEmpty ? .nobody : .localities(picker)
    }
    let good = all.filter { $0.model.health == health }
    return good.isEmpty
      ? .nobody
      : .endpoints(EndpointPicker(good, balancing: balancing, now: now, seed: random.next()))
  }

  /// Nil when there is nobody to choose.
  @inline(__always)
  func pick(_ random: inout RandomSource, now: UInt64) -> EndpointRuntime? {
    if let only { return only.pick(&random, now: now) }
    return pickShared(&random, now: now)
  }

  private func pickShared(_ random: inout RandomSource, now: UInt64) -> EndpointRuntime? {
    let draw = random.next(below: 100) + 1
    // As many shares as priorities, twice at most; nearly always one or two.
    var chosen = 0
    while chosen < shares.count, draw > shares[chosen].upTo { chosen += 1 }
    guard chosen < shares.count else { return nil }
    if shares[chosen].isPanic { counters.add(.healthyPanic) }
    switch shares[chosen].source {
    case .endpoints(let picker): return picker.pick(&random, now: now)
    case .localities(let picker): return picker.pick(&random, now: now)
    case .nobody: return nil
    }
  }
}

/// A locality by weight, less where few of its endpoints are good, then an endpoint of it.
private final class LocalityPicker {
  private var pickers: [EndpointPicker] = []
  private var weights: [Double] = []
  private var schedule: WeightedSchedule

  init(
    _ all: [EndpointRuntime], health: Endpoint.Health, balancing: LoadBalancing, now: UInt64,
    random: inout RandomSource
  ) {
    var order: [Locality] = []
    var groups: [Locality: [EndpointRuntime]] = [:]
    for endpoint in all {
      let locality = endpoint.model.locality
      if groups[locality] == nil { order.append(locality) }
      groups[locality, default: []].append(endpoint)
    }
    for locality in order {
      guard let group = groups[locality], let weight = group.compactMap(\.model.localityWeight).first
      else { continue }
      let good = group.filter { $0.model.health == health }
      let counted = group.lazy.filter { $0.model.health != .draining }.count
      guard !good.isEmpty, counted > 0 else { continue }
      let share = Double(balancing.overprovisioningFactor) / 100 * Double(good.count) / Double(counted)
      weights.append(Double(weight) * Swift.min(1, share))
      pickers.append(
        EndpointPicker(good, balancing: balancing, now: now, seed: random.next()))
    }
    schedule = WeightedSchedule(weights: weights, skip: 0)
  }

  var isEmpty: Bool { pickers.isEmpty }

  func pick(_ random: inout RandomSource, now: UInt64) -> EndpointRuntime? {
    let index = schedule.next
    schedule.took(weight: weights[index])
    return pickers[index].pick(&random, now: now)
  }
}
