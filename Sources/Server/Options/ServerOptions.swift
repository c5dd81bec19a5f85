// What a process is told on its command line, typed. The command line (`martlet`) turns flags
// into these; `Docs/operations.md` has the table for people.
public import DataPlane
public import PluginHost

/// Options of a process, by the names and with the defaults of Envoy's flags.
public struct ServerOptions: Sendable {
  public enum Mode: String, Sendable, CaseIterable {
    /// Check the configuration and serve.
    case serve
    /// Check the configuration and end.
    case validate
    /// Do everything that starting does, sockets included, and end.
    case initOnly = "init_only"
  }
  public enum DrainStrategy: String, Sendable, CaseIterable { case gradual, immediate }
  public enum IPVersion: String, Sendable, CaseIterable { case v4, v6 }

  public enum BaseID: Sendable, Hashable {
    case fixed(UInt32)
    /// The first that is free, drawn at random.
    case dynamic
    /// No lock is taken (`--disable-hot-restart`).
    case none
  }

  public var configPath: String?
  public var configYAML: String?
  public var allowUnknownStaticFields = false
  public var mode = Mode.serve
  /// Worker threads, 1...
  public var concurrency = ProcessorCount.usable()
  public var logLevel = LogLevel.info
  /// As given, for `/server_info`.
  public var componentLogLevel = ""
  public var componentLevels: [LogComponent: LogLevel] = [:]
  public var logFormat = LogPattern.default
  public var logPath: String?
  /// Nil: the configuration's.
  public var serviceCluster: String?
  public var serviceNode: String?
  public var serviceZone: String?
  public var drainTime = Duration.seconds(600)
  /// Envoy's default is gradual, but Envoy does not drain on SIGTERM: who ends a process wants it
  /// to end as soon as that hurts nobody.
  public var drainStrategy = DrainStrategy.immediate
  public var parentShutdownTime = Duration.seconds(900)
  public var localAddressVersion = IPVersion.v4
  public var fileFlushInterval = Duration.seconds(10)
  public var adminAddressPath: String?
  public var baseID = BaseID.fixed(0)
  public var baseIDPath: String?
  /// A supervisor keeps the sockets and starts the serving process, again where it crashes.
  public var supervise = false
  /// Where plugins are looked for.
  public var plugins = PluginHostOptions()

  public init() {}
}
