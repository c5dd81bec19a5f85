// The clusters of a worker by the bytes of their names, for names that come in requests.

final class ClusterDirectory {
  private let tree: RadixTree?
  private let clusters: [ClusterRuntime]

  init(_ named: [String: ClusterRuntime]) {
    clusters = Array(named.values)
    var builder = RadixTree.Builder(folds: false)
    for (index, cluster) in clusters.enumerated() {
      builder.insert(Array(cluster.model.name.utf8), .exact, Int32(index))
    }
    tree = builder.isEmpty ? nil : RadixTree(builder)
  }

  func find(_ name: ByteView) -> ClusterRuntime? {
    guard name.count > 0, let found = tree?.find(name).exact else { return nil }
    return clusters[Int(found)]
  }
}
