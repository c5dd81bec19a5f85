// What names resolve to at the moment, for the workers and for whoever asks. Written by the
// resolution thread, read at control frequency.
import Model

final class ResolvedEndpoints: Sendable {
  /// By the cluster's whole configuration: one that has changed begins anew.
  private let found = Locked<[Cluster: [Endpoint]]>([:])

  func set(_ endpoints: [Endpoint], of cluster: Cluster) {
    found.withLock { $0[cluster] = endpoints }
  }

  func endpoints(of cluster: Cluster) -> [Endpoint] { found.withLock { $0[cluster] ?? [] } }

  func forget(_ cluster: Cluster) { found.withLock { $0[cluster] = nil } }
}

/// `cluster.<name>.`, of clusters whose endpoints are found.
enum DiscoveryStat: Int, StatSchema {
  case attempt, success, failure, empty, noRebuild
  var name: String {
    switch self {
    case .attempt: "update_attempt"
    case .success: "update_success"
    case .failure: "update_failure"
    case .empty: "update_empty"
    case .noRebuild: "update_no_rebuild"
    }
  }
  var kind: StatValue.Kind { .counter }
}
