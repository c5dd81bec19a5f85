// A choice among clusters by weight, for routes and for the TCP proxy: one draw in the sum of the
// weights, found by bisection.
import Model

struct WeightedClusters {
  /// Each cluster (nil: it does not exist) takes the draws below `upTo` that no earlier one took.
  private let clusters: [(cluster: ClusterRuntime?, upTo: UInt64)]

  init(single name: String, find: (String) -> ClusterRuntime?) { clusters = [(find(name), 1)] }

  /// The sum of the weights is 1...
  init(_ list: [TCPProxy.Weighted], find: (String) -> ClusterRuntime?) {
    var sum: UInt64 = 0
    clusters = list.map { entry in
      sum += UInt64(entry.weight)
      return (find(entry.cluster), sum)
    }
  }

  @inline(__always)
  func pick(_ random: inout RandomSource) -> ClusterRuntime? {
    if clusters.count == 1 { return clusters[0].cluster }
    guard let last = clusters.last else { return nil }
    let draw = random.next(below: last.upTo)
    var low = 0
    var high = clusters.count - 1
    while low < high {
      let middle = (low + high) / 2
      if draw < clusters[middle].upTo { high = middle } else { low = middle + 1 }
    }
    return clusters[low].cluster
  }
}
