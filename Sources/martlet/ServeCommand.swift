// The flags of the proxy, as text: names, help and how often. What the texts mean and which are
// refused is `CommandLineFlags` in Server, where tests reach it.
import ArgumentParser
import Server

/// `martlet -c envoy.yaml`.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet",
    abstract: "A proxy that runs Envoy's configuration.",
    discussion: "Flags have the names and the meaning of Envoy's; see Docs/operations.md.")

  @Option(name: [.customShort("c"), .long], parsing: .unconditional, help: "Path to configuration file.")
  var configPath: String?
  @Option(
    name: .customLong("config-yaml"), parsing: .unconditional,
    help: "Inline YAML configuration, merged over the contents of --config-path.")
  var configYAML: String?
  @Flag(help: "Unknown fields in the static configuration are warnings, not errors.")
  var allowUnknownStaticFields = false
  @Option(parsing: .unconditional, help: "serve, validate (check and exit) or init_only (start and exit).")
  var mode: String?
  @Option(parsing: .unconditional, help: "Number of worker threads. Default: one a usable processor.")
  var concurrency: String?

  @Option(
    name: [.customShort("l"), .long], parsing: .unconditional,
    help: "trace, debug, info, warning (or warn), error, critical or off. Default: info.")
  var logLevel: String?
  @Option(parsing: .unconditional, help: "Comma-separated, for example upstream:debug,config:trace.")
  var componentLogLevel: String?
  @Option(parsing: .unconditional, help: "Log line format in spdlog's syntax.")
  var logFormat: String?
  @Option(parsing: .unconditional, help: "Log to this file. Default: standard error.")
  var logPath: String?

  @Option(parsing: .unconditional, help: "Cluster name of this node; over the configuration's.")
  var serviceCluster: String?
  @Option(parsing: .unconditional, help: "Id of this node; over the configuration's.")
  var serviceNode: String?
  @Option(parsing: .unconditional, help: "Zone of this node; over the configuration's.")
  var serviceZone: String?
  @Option(parsing: .unconditional, help: "v4 or v6: version of the address this proxy names itself by.")
  var localAddressIpVersion: String?

  @Option(parsing: .unconditional, help: "How long connections are drained at the end. Default: 600.")
  var drainTimeS: String?
  @Option(parsing: .unconditional, help: "gradual or immediate (default).")
  var drainStrategy: String?
  @Option(parsing: .unconditional, help: "Upper limit of the drain time. Default: 900.")
  var parentShutdownTimeS: String?

  @Option(parsing: .unconditional, help: "How often access logs are written out. Default: 10000.")
  var fileFlushIntervalMsec: String?
  @Option(parsing: .unconditional, help: "Write the admin's real address to this file.")
  var adminAddressPath: String?
  @Option(parsing: .unconditional, help: "One process an id: a second one is refused. Default: 0.")
  var baseId: String?
  @Flag(help: "Draw a base id that is free; over --base-id.")
  var useDynamicBaseId = false
  @Option(parsing: .unconditional, help: "Write the base id to this file.")
  var baseIdPath: String?
  @Flag(help: "Hold no base id.")
  var disableHotRestart = false

  @Option(
    parsing: .unconditionalSingleValue,
    help: "Folder with plugins (*.so); several separated by colons, or the flag several times.")
  var pluginPath: [String] = []

  @Flag(help: "Keep the sockets in a parent process that starts this one again when it crashes.")
  var supervise = false

  @Flag(help: "Show the version and exit.")
  var version = false

  /// The same, for `Server`.
  var flags: CommandLineFlags {
    var flags = CommandLineFlags()
    flags.configPath = configPath
    flags.configYAML = configYAML
    flags.allowUnknownStaticFields = allowUnknownStaticFields
    flags.mode = mode
    flags.concurrency = concurrency
    flags.logLevel = logLevel
    flags.componentLogLevel = componentLogLevel
    flags.logFormat = logFormat
    flags.logPath = logPath
    flags.serviceCluster = serviceCluster
    flags.serviceNode = serviceNode
    flags.serviceZone = serviceZone
    flags.localAddressIPVersion = localAddressIpVersion
    flags.drainTimeSeconds = drainTimeS
    flags.drainStrategy = drainStrategy
    flags.parentShutdownTimeSeconds = parentShutdownTimeS
    flags.fileFlushIntervalMilliseconds = fileFlushIntervalMsec
    flags.adminAddressPath = adminAddressPath
    flags.baseID = baseId
    flags.useDynamicBaseID = useDynamicBaseId
    flags.baseIDPath = baseIdPath
    flags.disableHotRestart = disableHotRestart
    flags.supervise = supervise
    flags.pluginPaths = pluginPath
    return flags
  }
}
