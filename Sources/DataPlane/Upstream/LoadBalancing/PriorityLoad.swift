// How the load of a cluster is divided over its priorities, by how healthy each is. Pure
// arithmetic, made anew when endpoints change; a pick only draws from the result.
//
// A priority is available by `min(100, overprovisioning factor * healthy share)` per cent; the
// first takes as much as it is available, the next what is left, and so on. Degraded endpoints
// take what the healthy ones of all priorities cannot. Where all priorities together are not
// fully available, a priority with too few good endpoints panics: its health is not looked at.

struct PriorityLoad: Equatable {
  /// What is known of a priority.
  struct Census {
    var total = 0
    var healthy = 0
    var degraded = 0
    /// Of `total`: not counted when shares are computed (draining).
    var excluded = 0
    /// The same by weight.
    var totalWeight: UInt64 = 0
    var healthyWeight: UInt64 = 0
    var degradedWeight: UInt64 = 0
    var excludedWeight: UInt64 = 0
  }

  /// Per cent for each priority. Together 100.
  private(set) var healthy: [UInt32]
  private(set) var degraded: [UInt32]
  /// Every endpoint of the priority counts as good.
  private(set) var panics: [Bool]

  init(
    _ priorities: [Census], overprovisioning: UInt32, panicThreshold: UInt32, byWeight: Bool
  ) {
    let count = priorities.count
    healthy = Array(repeating: 0, count: count)
    degraded = healthy
    panics = Array(repeating: false, count: count)
    guard count > 0 else { return }
    let factor = UInt64(overprovisioning)
    func available(_ good: UInt64, of total: UInt64) -> UInt32 {
      total == 0 ? 0 : UInt32(Swift.min(100, factor * good / total))
    }
    let healthyShare = priorities.map {
      byWeight
        ? available($0.healthyWeight, of: $0.totalWeight - $0.excludedWeight)
        : available(UInt64($0.healthy), of: UInt64($0.total - $0.excluded))
    }
    let degradedShare = priorities.map {
      byWeight
        ? available($0.degradedWeight, of: $0.totalWeight - $0.excludedWeight)
        : available(UInt64($0.degraded), of: UInt64($0.total - $0.excluded))
    }
    let sum = zip(healthyShare, degradedShare).reduce(UInt32(0)) { $0 + $1.0 + $1.1 }
    let availability = Swift.min(100, sum)
    if availability > 0 { distribute(healthyShare, degradedShare, availability) }
    choosePanics(priorities, availability, panicThreshold)
  }

  private mutating func distribute(
    _ healthyShare: [UInt32], _ degradedShare: [UInt32], _ availability: UInt32
  ) {
    var left: UInt32 = 100
    for index in healthyShare.indices {
      healthy[index] = Swift.min(left, healthyShare[index] * 100 / availability)
      left -= healthy[index]
    }
    for index in degradedShare.indices {
      degraded[index] = Swift.min(left, degradedShare[index] * 100 / availability)
      left -= degraded[index]
    }
    if left == 0 { return }
    // What the divisions lost.
    let firstHealthy = healthyShare.firstIndex { $0 > 0 } ?? .max
    let firstDegraded = degradedShare.firstIndex { $0 > 0 } ?? .max
    if firstHealthy <= firstDegraded {
      healthy[firstHealthy] += left
    } else {
      degraded[firstDegraded] += left
    }
  }

  private mutating func choosePanics(
    _ priorities: [Census], _ availability: UInt32, _ threshold: UInt32
  ) {
    if threshold == 0 {
      if availability == 0 { healthy[0] = 100 }
      return
    }
    if availability == 100 { return }
    for (index, census) in priorities.enumerated() {
      let counted = census.total - census.excluded
      let good = counted == 0 ? 0 : 100 * Double(census.healthy + census.degraded) / Double(counted)
      panics[index] = good < Double(threshold)
    }
    guard panics.allSatisfy({ $0 }) else { return }
    // Everybody panics: by the number of endpoints.
    let total = priorities.reduce(0) { $0 + $1.total }
    degraded = Array(repeating: 0, count: priorities.count)
    healthy = degraded
    guard total > 0, let first = priorities.firstIndex(where: { $0.total > 0 }) else {
      healthy[0] = 100
      return
    }
    for (index, census) in priorities.enumerated() {
      healthy[index] = UInt32(100 * census.total / total)
    }
    healthy[first] += 100 - healthy.reduce(0, +)
  }
}
