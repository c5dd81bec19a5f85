// The flags as they were typed, and what they mean. A flag that is nil was not given.

/// Flags of the proxy, unread.
public struct CommandLineFlags: Sendable {
  public var configPath: String?
  public var configYAML: String?
  public var allowUnknownStaticFields = false
  public var mode: String?
  public var concurrency: String?
  public var logLevel: String?
  public var componentLogLevel: String?
  public var logFormat: String?
  public var logPath: String?
  public var serviceCluster: String?
  public var serviceNode: String?
  public var serviceZone: String?
  public var localAddressIPVersion: String?
  public var drainTimeSeconds: String?
  public var drainStrategy: String?
  public var parentShutdownTimeSeconds: String?
  public var fileFlushIntervalMilliseconds: String?
  public var adminAddressPath: String?
  public var baseID: String?
  public var useDynamicBaseID = false
  public var baseIDPath: String?
  public var disableHotRestart = false
  public var supervise = false
  /// Each may be several folders, separated by colons.
  public var pluginPaths: [String] = []

  /// As many workers as a handle of the plugin interface can name.
  static let maximumConcurrency: UInt32 = 254

  public init() {}

  /// Reads them all. The first that is wrong is thrown.
  public func options() throws(OptionError) -> ServerOptions {
    var options = ServerOptions()
    guard configPath != nil || configYAML != nil else {
      throw OptionError("at least one of --config-path and --config-yaml is needed")
    }
    options.configPath = configPath
    options.configYAML = configYAML
    options.allowUnknownStaticFields = allowUnknownStaticFields
    options.mode = try choice(mode, "unknown mode", .serve)
    if let concurrency {
      let count = try number(concurrency, "concurrency")
      guard count <= Self.maximumConcurrency else {
        throw OptionError("--concurrency: at most \(Self.maximumConcurrency), not \(count)")
      }
      options.concurrency = max(1, Int(count))  // 0 is 1, as in Envoy
    }
    options.serviceCluster = serviceCluster
    options.serviceNode = serviceNode
    options.serviceZone = serviceZone
    options.localAddressVersion = try choice(
      localAddressIPVersion, "unknown IP address version", .v4)
    options.adminAddressPath = adminAddressPath
    try readLogging(&options)
    try readDraining(&options)
    try readBaseID(&options)
    options.supervise = supervise
    guard !supervise || options.mode == .serve else {
      throw OptionError("--supervise: only with --mode serve")
    }
    readPlugins(&options)
    return options
  }

  /// The flag's folders, then the environment's, then those that belong to the installation.
  private func readPlugins(_ options: inout ServerOptions) {
    let named = pluginPaths + [Environment.variable("MARTLET_PLUGIN_PATH") ?? ""]
    for path in named.flatMap({ $0.split(separator: ":") }) {
      options.plugins.folders.append(.init(path: String(path), isNamed: true))
    }
    guard let folder = Environment.executableFolder else { return }
    options.plugins.folders.append(.init(path: folder, isNamed: false))
    options.plugins.folders.append(.init(path: "\(folder)/../lib/martlet/plugins", isNamed: false))
  }

  private func readLogging(_ options: inout ServerOptions) throws(OptionError) {
    if let logLevel { options.logLevel = try LogLevels.level(logLevel) }
    if let componentLogLevel {
      options.componentLogLevel = componentLogLevel
      options.componentLevels = try LogLevels.components(componentLogLevel)
    }
    if let logFormat { options.logFormat = try LogPattern(logFormat) }
    if let logPath, !logPath.isEmpty { options.logPath = logPath }
    if let text = fileFlushIntervalMilliseconds {
      let milliseconds = try number(text, "file-flush-interval-msec")
      guard milliseconds > 0 else { throw OptionError("--file-flush-interval-msec: 1 or more") }
      options.fileFlushInterval = .milliseconds(Int(milliseconds))
    }
  }

  private func readDraining(_ options: inout ServerOptions) throws(OptionError) {
    if let text = drainTimeSeconds {
      options.drainTime = .seconds(Int(try number(text, "drain-time-s")))
    }
    options.drainStrategy = try choice(drainStrategy, "unknown drain-strategy", .immediate)
    if let text = parentShutdownTimeSeconds {
      options.parentShutdownTime = .seconds(Int(try number(text, "parent-shutdown-time-s")))
    }
  }

  private func readBaseID(_ options: inout ServerOptions) throws(OptionError) {
    if let baseID { options.baseID = .fixed(try number(baseID, "base-id")) }
    if useDynamicBaseID { options.baseID = .dynamic }
    // As in Envoy, it goes before the base-id flags: no id is held, whatever they say.
    if disableHotRestart { options.baseID = .none }
    options.baseIDPath = baseIDPath
  }

  private func number(_ text: String, _ flag: String) throws(OptionError) -> UInt32 {
    guard let value = UInt32(text), text.first != "+" else {
      throw OptionError("--\(flag): '\(text)' is not a number from 0 to \(UInt32.max)")
    }
    return value
  }

  private func choice<Choice: RawRepresentable & CaseIterable>(
    _ text: String?, _ problem: String, _ otherwise: Choice
  ) throws(OptionError) -> Choice where Choice.RawValue == String {
    guard let text else { return otherwise }
    guard let choice = Choice(rawValue: text) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw OptionError("\(problem) '\(text)': known are \(known)")
    }
    return choice
  }
}
