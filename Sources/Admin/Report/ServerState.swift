// The states of a proxy's life, as `envoy.admin.v3.ServerInfo.State` names and numbers them.

/// Where a process is in its life. The raw value is the gauge `server.state`.
public enum ServerState: UInt64, Sendable {
  /// Takes traffic.
  case live = 0
  /// Finishes what it has and takes nothing new.
  case draining = 1
  /// Has not bound its listeners yet.
  case preInitializing = 2
  /// Listeners are bound; waiting for what they depend on. (Not entered before xDS.)
  case initializing = 3

  /// `LIVE`, `DRAINING`, ...
  public var name: String {
    switch self {
    case .live: "LIVE"
    case .draining: "DRAINING"
    case .preInitializing: "PRE_INITIALIZING"
    case .initializing: "INITIALIZING"
    }
  }
}
