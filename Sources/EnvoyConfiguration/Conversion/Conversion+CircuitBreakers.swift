// Circuit breakers, with the runtime keys that override them.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func circuitBreakers(
    _ message: Envoy_Config_Cluster_V3_CircuitBreakers, of cluster: String, at place: Place
  ) -> CircuitBreakers {
    var result = CircuitBreakers()
    for priority in RoutingPriority.allCases {
      // As Envoy: the first that is meant counts.
      if let thresholds = message.thresholds.first(where: { self.priority($0.priority) == priority }) {
        read(thresholds, into: &result[priority])
      }
      if let index = message.perHostThresholds.firstIndex(where: {
        self.priority($0.priority) == priority
      }) {
        readPerHost(
          message.perHostThresholds[index], into: &result[priority],
          at: place.field("per_host_thresholds").element(index))
      }
      readRuntime(of: cluster, priority, into: &result[priority])
    }
    return result
  }

  func priority(_ priority: Envoy_Config_Core_V3_RoutingPriority) -> RoutingPriority {
    priority == .high ? .high : .normal
  }

  private func read(
    _ message: Envoy_Config_Cluster_V3_CircuitBreakers.Thresholds,
    into result: inout CircuitBreakers.Thresholds
  ) {
    if message.hasMaxConnections { result.maxConnections = message.maxConnections.value }
    if message.hasMaxPendingRequests {
      result.maxPendingRequests = message.maxPendingRequests.value
    }
    if message.hasMaxRequests { result.maxRequests = message.maxRequests.value }
    if message.hasMaxRetries { result.maxRetries = message.maxRetries.value }
    if message.hasMaxConnectionPools {
      result.maxConnectionPools = message.maxConnectionPools.value
    }
    result.tracksRemaining = message.trackRemaining
    guard message.hasRetryBudget else { return }
    var budget = CircuitBreakers.RetryBudget()
    if message.retryBudget.hasBudgetPercent {
      budget.percent = message.retryBudget.budgetPercent.value
    }
    if message.retryBudget.hasMinRetryConcurrency {
      budget.minConcurrency = message.retryBudget.minRetryConcurrency.value
    }
    result.retryBudget = budget
  }

  private func readPerHost(
    _ message: Envoy_Config_Cluster_V3_CircuitBreakers.Thresholds,
    into result: inout CircuitBreakers.Thresholds, at place: Place
  ) {
    let others: [(Bool, String)] = [
      (message.hasMaxPendingRequests, "max_pending_requests"),
      (message.hasMaxRequests, "max_requests"), (message.hasMaxRetries, "max_retries"),
      (message.hasRetryBudget, "retry_budget"), (message.trackRemaining, "track_remaining"),
      (message.hasMaxConnectionPools, "max_connection_pools"),
    ]
    for (isSet, name) in others where isSet {
      error("an endpoint has only a limit on connections, `max_connections`", at: place.field(name))
    }
    if message.hasMaxConnections { result.maxConnectionsPerHost = message.maxConnections.value }
  }

  private func readRuntime(
    of cluster: String, _ priority: RoutingPriority, into result: inout CircuitBreakers.Thresholds
  ) {
    let prefix = "circuit_breakers.\(cluster).\(priority == .high ? "high" : "default")."
    func read(_ name: String, _ store: (UInt32) -> Void) {
      guard let (value, place) = runtime.number(prefix + name) else { return }
      if let value { store(UInt32(clamping: value)) } else { error("expected a whole number", at: place) }
    }
    read("max_connections") { result.maxConnections = $0 }
    read("max_pending_requests") { result.maxPendingRequests = $0 }
    read("max_requests") { result.maxRequests = $0 }
    read("max_retries") { result.maxRetries = $0 }
    read("max_connection_pools") { result.maxConnectionPools = $0 }
  }
}
