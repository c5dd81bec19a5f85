// How a cluster chooses among its endpoints.

public struct LoadBalancing: Hashable, Sendable {
  public enum Policy: Hashable, Sendable {
    case roundRobin
    case leastRequest(LeastRequest)
    case random
    /// The cluster knows by itself (original destinations).
    case clusterProvided
  }
  public var policy = Policy.roundRobin
  public var slowStart: SlowStart?
  /// Choose a locality by its weight before an endpoint.
  public var weighsLocalities = false
  /// Where too few endpoints are healthy, choose none instead of any.
  public var failsOnPanic = false
  /// Below this share of healthy endpoints (per cent, 0...100) health is not looked at.
  public var panicThreshold: UInt32 = 50
  /// Per cent, 1...: how much of its load a priority can take beyond its healthy share.
  public var overprovisioningFactor: UInt32 = 140
  /// The health of a priority counts weights, not endpoints.
  public var weighsPriorityHealth = false
  /// Connections to every endpoint are closed when any comes or goes.
  public var closesConnectionsOnChange = false
  public init() {}
}

/// `least_request`.
public struct LeastRequest: Hashable, Sendable {
  /// Endpoints looked at in a choice, 2...
  public var choices: UInt32 = 2
  /// With unequal weights: weight / (requests + 1) ^ bias. 0...
  public var activeRequestBias = 1.0
  /// Look at all of them.
  public var scansAll = false
  public init() {}
}

/// A new endpoint's weight grows over a window.
public struct SlowStart: Hashable, Sendable {
  /// More than zero.
  public var window: Duration
  /// More than 0; the weight is (time / window) ^ (1 / aggression).
  public var aggression = 1.0
  /// 0...1: never less than this share of its weight.
  public var minimumWeight = 0.1
  public init(window: Duration) { self.window = window }
}
