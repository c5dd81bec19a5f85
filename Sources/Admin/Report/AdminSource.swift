// What the admin API shows, as closures: the module knows the shape of the answers and nothing
// of the data plane that has them. `Server` fills one in; tests fill one with constants.

/// Where the admin API gets its data.
///
/// Closures are called from the admin's threads, several at once, and may take a lock shortly;
/// they must not wait for a worker's next request.
public struct AdminSource: Sendable {
  /// What `/ready` and `/server_info` say.
  public var state: @Sendable () -> ServerState
  /// Every statistic, in any order, no name twice.
  public var statistics: @Sendable () -> [Statistic]
  /// Bound listeners in the order of the configuration.
  public var listeners: @Sendable () -> [ListenerReport]
  /// Clusters in the order of the configuration.
  public var clusters: @Sendable () -> [ClusterReport]
  public var serverInformation: @Sendable () -> ServerInformation
  public var runtime: @Sendable () -> RuntimeReport
  /// Sets values of the runtime's admin layer; an empty one is taken away. False: there is no such
  /// layer. Returns when all workers have them.
  public var modifyRuntime: @Sendable ([(key: String, text: String)]) -> Bool
  /// End the process (POST /quitquitquit). Called after the answer was handed to the socket.
  public var quit: @Sendable () -> Void

  public init(
    state: @escaping @Sendable () -> ServerState,
    statistics: @escaping @Sendable () -> [Statistic],
    listeners: @escaping @Sendable () -> [ListenerReport],
    clusters: @escaping @Sendable () -> [ClusterReport],
    serverInformation: @escaping @Sendable () -> ServerInformation,
    runtime: @escaping @Sendable () -> RuntimeReport,
    modifyRuntime: @escaping @Sendable ([(key: String, text: String)]) -> Bool,
    quit: @escaping @Sendable () -> Void
  ) {
    self.state = state
    self.statistics = statistics
    self.listeners = listeners
    self.clusters = clusters
    self.serverInformation = serverInformation
    self.runtime = runtime
    self.modifyRuntime = modifyRuntime
    self.quit = quit
  }
}
