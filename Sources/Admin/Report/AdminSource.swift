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
  /// Every histogram, in any order, no name twice.
  public var histograms: @Sendable () -> [HistogramStatistic]
  /// Bound listeners in the order of the configuration.
  public var listeners: @Sendable () -> [ListenerReport]
  /// Clusters in the order of the configuration.
  public var clusters: @Sendable () -> [ClusterReport]
  public var serverInformation: @Sendable () -> ServerInformation
  public var runtime: @Sendable () -> RuntimeReport
  /// Sets values of the runtime's admin layer; an empty one is taken away. False: there is no such
  /// layer. Returns when all workers have them.
  public var modifyRuntime: @Sendable ([(key: String, text: String)]) -> Bool
  public var memory: @Sendable () -> MemoryReport
  public var configuration: @Sendable () -> ConfigurationReport
  /// The components that log and their levels, in order of names.
  public var logLevels: @Sendable () -> [(component: String, level: String)]
  /// Sets the level of a component, or of all where it is nil. False: there is none of that name.
  public var setLogLevel: @Sendable (_ component: String?, _ level: String) -> LogLevelOutcome
  /// Opens the log files again, shortly after it returns.
  public var reopenLogs: @Sendable () -> Void
  /// Counters begin at zero again.
  public var resetCounters: @Sendable () -> Void
  /// Fail health checks (or pass them again): `/ready` is not ready, and answers close.
  public var setHealthCheckFailed: @Sendable (Bool) -> Void
  public var drainListeners: @Sendable (DrainRequest) -> Void
  /// Every loaded version of every plugin.
  public var plugins: @Sendable () -> [PluginInformation]
  /// Loads configuration file and plugins again. What stands in the way; empty: it is done. May take as
  /// long as names take to be resolved.
  public var reloadPlugins: @Sendable () -> [String]
  /// End the process (POST /quitquitquit). Called after the answer was handed to the socket.
  public var quit: @Sendable () -> Void

  public init(
    state: @escaping @Sendable () -> ServerState,
    statistics: @escaping @Sendable () -> [Statistic],
    histograms: @escaping @Sendable () -> [HistogramStatistic],
    listeners: @escaping @Sendable () -> [ListenerReport],
    clusters: @escaping @Sendable () -> [ClusterReport],
    serverInformation: @escaping @Sendable () -> ServerInformation,
    runtime: @escaping @Sendable () -> RuntimeReport,
    modifyRuntime: @escaping @Sendable ([(key: String, text: String)]) -> Bool,
    memory: @escaping @Sendable () -> MemoryReport,
    configuration: @escaping @Sendable () -> ConfigurationReport,
    logLevels: @escaping @Sendable () -> [(component: String, level: String)],
    setLogLevel: @escaping @Sendable (_ component: String?, _ level: String) -> LogLevelOutcome,
    reopenLogs: @escaping @Sendable () -> Void,
    resetCounters: @escaping @Sendable () -> Void,
    setHealthCheckFailed: @escaping @Sendable (Bool) -> Void,
    drainListeners: @escaping @Sendable (DrainRequest) -> Void,
    plugins: @escaping @Sendable () -> [PluginInformation] = { [] },
    reloadPlugins: @escaping @Sendable () -> [String] = { [] },
    quit: @escaping @Sendable () -> Void
  ) {
    self.state = state
    self.statistics = statistics
    self.histograms = histograms
    self.listeners = listeners
    self.clusters = clusters
    self.serverInformation = serverInformation
    self.runtime = runtime
    self.modifyRuntime = modifyRuntime
    self.memory = memory
    self.configuration = configuration
    self.logLevels = logLevels
    self.setLogLevel = setLogLevel
    self.reopenLogs = reopenLogs
    self.resetCounters = resetCounters
    self.setHealthCheckFailed = setHealthCheckFailed
    self.drainListeners = drainListeners
    self.plugins = plugins
    self.reloadPlugins = reloadPlugins
    self.quit = quit
  }
}
