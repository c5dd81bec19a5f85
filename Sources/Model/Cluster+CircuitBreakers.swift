// What a cluster is spared.

/// The limits of a cluster over all workers, by the priority of the route.
public struct CircuitBreakers: Hashable, Sendable {
  public struct Thresholds: Hashable, Sendable {
    public var maxConnections: UInt32 = 1024
    public var maxPendingRequests: UInt32 = 1024
    public var maxRequests: UInt32 = 1024
    public var maxRetries: UInt32 = 3
    /// Stands instead of `maxRetries`.
    public var retryBudget: RetryBudget?
    /// Nil: no limit.
    public var maxConnectionPools: UInt32?
    /// Of each endpoint (nil: no limit).
    public var maxConnectionsPerHost: UInt32?
    /// Gauges say how much is left.
    public var tracksRemaining = false
    public init() {}
  }
  /// Retries as a share of the requests in flight.
  public struct RetryBudget: Hashable, Sendable {
    /// Per cent, 0...100.
    public var percent = 20.0
    /// As many are always allowed.
    public var minConcurrency: UInt32 = 3
    public init() {}
  }
  public var normal = Thresholds()
  public var high = Thresholds()
  public init() {}

  public subscript(_ priority: RoutingPriority) -> Thresholds {
    get { priority == .normal ? normal : high }
    set { if priority == .normal { normal = newValue } else { high = newValue } }
  }
}

/// `config.core.v3.RoutingPriority`: whose limits and connections a request uses.
public enum RoutingPriority: Int, Hashable, Sendable, CaseIterable { case normal, high }
