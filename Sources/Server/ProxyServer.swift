// The whole process: configuration, data plane, admin and signals, put together and taken apart.
//
//     flags -> log -> base id -> configuration -> admin's socket -> data plane -> admin answers
//                                                                       |
//     the main thread waits for signals  <------------------------------+
//
// The order is chosen so that whatever can fail fails before traffic flows, and so that nothing
// slow stands before traffic: the admin's socket is bound by a plain system call, and its event
// loop (NIO, Swift concurrency) starts after the workers, who do not wait for it. Connections to
// the admin in between wait in the backlog.
//
// Threads: the main thread runs this file and sleeps in `sigtimedwait`; the admin's threads call
// the closures of `AdminSource`; the workers are the data plane's affair. What two of them touch
// is behind `shared`.
import Admin
import CMartletBlame
import DataPlane
import EnvoyConfiguration
import Glibc
import Model
import PluginHost

/// One proxy process.
public final class ProxyServer: Sendable {
  struct Shared: Sendable {
    var lifecycle: Lifecycle
    var runtime: RuntimeLayers
    var quitRequested = false
    /// `/healthcheck/fail`.
    var healthCheckFailed = false
    /// Counters by name when they were last reset (`/reset_counters`).
    var countersAtReset: [String: UInt64] = [:]
    /// Nil before the admin was made, and where the configuration has none.
    var admin: AdminServer?
    /// What runs, the same as its file has it, and when it was loaded.
    var configuration: ProxyConfiguration
    var dump: ConfigurationDump
    var loaded: (seconds: Int, milliseconds: Int)
  }

  let options: ServerOptions
  let log: Log
  let plugins: PluginHost
  /// One reload at a time; true: none any more, the process ends.
  let reloading = Locked(false)
  let dataPlane: DataPlane
  let statisticsView: StatisticsView
  let began: ContinuousClock.Instant
  let baseID: BaseIDLock?
  let shared: Locked<Shared>
  private let signals: SignalMask
  private let watchdog: Watchdog
  /// Nil: nobody supervises this process.
  let supervisor: SupervisorClient?
  /// How often the supervisor has started the process again.
  let restarts: Int

  /// How often a drain looks whether the last connection is gone.
  private static let drainCheckInterval = Duration.milliseconds(50)

  /// Runs the process that the options ask for. Returns its exit code: 0, or 1 where it did not
  /// start (the reasons are on standard error then). Call it on the main thread, before any other
  /// thread exists.
  public static func run(_ options: ServerOptions) -> Int32 {
    martlet_slot_open("main")
    do throws(StartupProblem) {
      if options.supervise, !SupervisorClient.isSupervised {
        do throws(OptionError) {
          return try Supervisor.run(options)
        } catch {
          throw StartupProblem(error)
        }
      }
      martlet_crash_install()
      if options.mode == .validate {
        try validate(options)
        return 0
      }
      let server = try ProxyServer(options)
      let accessLog = try server.start()
      if options.mode == .serve { server.waitForEnd(accessLog) }
      server.stop(accessLog)
      return 0
    } catch {
      report(error.lines)
      return error.lines.isEmpty ? 0 : 1
    }
  }

  private static func report(_ lines: [String]) {
    FileDescriptor.write(Array(lines.map { $0 + "\n" }.joined().utf8), to: STDERR_FILENO)
  }

  /// `--mode validate`.
  private static func validate(_ options: ServerOptions) throws(StartupProblem) {
    let log = try openLog(options)
    let plugins = openPlugins(options, log)
    defer { plugins.stop() }
    _ = try loadConfiguration(options, log, plugins.newSet())
    let line = "configuration '\(options.configPath ?? "")' OK\n"
    FileDescriptor.write(Array(line.utf8), to: STDOUT_FILENO)
  }

  private init(_ options: ServerOptions) throws(StartupProblem) {
    began = .now
    signals = SignalMask.install()
    self.options = options
    supervisor = options.supervise ? SupervisorClient.connect() : nil
    log = try Self.openLog(options)
    do {
      baseID = try BaseIDLock.take(options.baseID)
    } catch {
      throw StartupProblem(error)
    }
    watchdog = Watchdog(log: log)
    log.write(.info, .main, "initializing (base id=\(baseID.map { "\($0.id)" } ?? "none"))")
    let descriptors = DescriptorLimit.raise()
    log.write(.debug, .main, "open files: at most \(descriptors)")
    let (restarts, history) = Self.history(supervisor)
    self.restarts = restarts
    plugins = Self.openPlugins(options, log, history)
    let set = plugins.newSet()
    let found = try Self.loadConfiguration(options, log, set)
    plugins.commit(set)
    var configuration = found.0
    let runtime = RuntimeLayers(
      configuration.runtimeLayers, serviceCluster: configuration.node.cluster)
    for problem in runtime.problems { log.write(.warning, .config, "runtime: \(problem)") }
    configuration.runtime = runtime.values
    statisticsView = StatisticsView(configuration.stats)
    let lifecycle = Lifecycle(
      drainTime: options.drainTime, parentShutdownTime: options.parentShutdownTime)
    var plane = DataPlaneOptions()
    plane.workers = options.concurrency
    plane.log = log.sink
    plane.logLevel = log.minimumLevel
    plane.drainTime = lifecycle.drainLimit
    plane.fileFlushInterval = options.fileFlushInterval
    plane.drainImmediately = options.drainStrategy == .immediate
    plane.sockets = supervisor?.sockets
    dataPlane = DataPlane(options: plane)
    shared = Locked(
      Shared(
        lifecycle: lifecycle, runtime: runtime, configuration: configuration, dump: found.1,
        loaded: HTTPDate.now()))
  }

  var configuration: ProxyConfiguration { shared.withLock { $0.configuration } }

  /// What the supervisor remembers of the processes before this one.
  private static func history(_ supervisor: SupervisorClient?) -> (restarts: Int, CrashHistory) {
    guard let supervisor else { return (0, CrashHistory()) }
    let (restarts, lines) = supervisor.crashes()
    let now = ContinuousClock.now
    let crashes = lines.map {
      CrashHistory.Crash(
        hash: $0.hash, plugin: $0.plugin, version: $0.version, filter: $0.filter, function: $0.function,
        at: now - .milliseconds($0.milliseconds))
    }
    let history = CrashHistory(
      crashes: crashes, remember: { supervisor.remember($0, $1) }, recall: { supervisor.recall($0) })
    return (restarts, history)
  }

  private static func openPlugins(
    _ options: ServerOptions, _ log: Log, _ history: CrashHistory = CrashHistory()
  ) -> PluginHost {
    PluginTables.prepare(logLevel: log.minimumLevel)
    let core = PluginServices.WorkerCore(
      logEnabled: PluginTables.logEnabled, log: PluginTables.log, now: PluginTables.now,
      random: PluginTables.random, setTimer: PluginTables.setTimer, wake: PluginTables.wake)
    let rateLimits = PluginServices.RateLimits(
      read: { FilterRateLimits.read($0, isJSON: $1) }, descriptors: PluginTables.descriptors)
    let services = PluginServices(
      core: core, rateLimits: rateLimits, table: { PluginTables.table($0) },
      forget: { PluginTables.forget($1, of: $0) }
    ) { level, text in
      log.write(LogLevel(rawValue: Int(level)) ?? .error, .filter, text)
    }
    return PluginHost(
      options: options.plugins, version: Version.text, services: services, history: history)
  }

  private static func openLog(_ options: ServerOptions) throws(StartupProblem) -> Log {
    do {
      return try Log(options)
    } catch {
      throw StartupProblem(error)
    }
  }

  /// The file with its overlay, and the node as the flags have it: they win, as in Envoy.
  private static func loadConfiguration(
    _ options: ServerOptions, _ log: Log, _ catalog: any FilterCatalog
  ) throws(StartupProblem) -> (ProxyConfiguration, ConfigurationDump) {
    var loading = ConfigurationLoader.Options()
    loading.allowUnknownStaticFields = options.allowUnknownStaticFields
    loading.catalog = catalog
    loading.node.id = options.serviceNode
    loading.node.cluster = options.serviceCluster
    loading.node.zone = options.serviceZone
    do {
      let loaded = try ConfigurationLoader(options: loading)
        .load(path: options.configPath, overlay: options.configYAML)
      for warning in loaded.warnings { log.write(.warning, .config, warning.description) }
      return (loaded.configuration, loaded.dump)
    } catch {
      throw StartupProblem(error.diagnostics.map(\.description))
    }
  }

  /// Opens every socket and lets traffic flow.
  /// - Returns: The admin's access log, if it has one.
  private func start() throws(StartupProblem) -> BufferedFile? {
    var accessLog: BufferedFile?
    var adminServer: AdminServer?
    do {
      if let endpoint = configuration.admin {
        if !endpoint.accessLogPath.isEmpty {
          accessLog = try BufferedFile(path: endpoint.accessLogPath)
        }
        adminServer = try bindAdmin(endpoint, accessLog)
      }
      if let baseID, let path = options.baseIDPath {
        try SmallFile.write("\(baseID.id)", to: path, purpose: "the base id")
      }
    } catch {
      throw StartupProblem(error)
    }
    // While names are resolved, admin answers already; else it starts behind the workers.
    let resolves = configuration.clusters.contains { $0.resolvesNames }
    if resolves { serve(adminServer) }
    var isCancelled = false
    do {
      try dataPlane.apply(configuration) {
        isCancelled = isToldToEnd(accessLog)
        return isCancelled
      }
    } catch {
      if isCancelled { dataPlane.stop() }
      throw StartupProblem(isCancelled ? [] : error.problems)
    }
    PluginTally.limit(by: configuration.plugins)
    for listener in dataPlane.listenerStatus() {
      let addresses = listener.addresses.map(\.description).joined(separator: ", ")
      log.write(.info, .main, "listener '\(listener.name)' on \(addresses)")
    }
    shared.withLock { $0.lifecycle.started() }
    if !resolves { serve(adminServer) }
    let took = began.duration(to: .now) / .milliseconds(1)
    dataPlane.recordInitialization(milliseconds: UInt64(max(0, took)))
    log.write(.info, .main, "started \(dataPlane.workerCount) workers in \(Int(took)) ms")
    let local = LocalAddress.find(options.localAddressVersion)
    log.write(.debug, .main, "local address: \(local)")
    return accessLog
  }

  private func serve(_ admin: AdminServer?) {
    guard options.mode == .serve else { return }
    admin?.start { [log] in log.write(.error, .admin, "admin not served: \($0)") }
  }

  /// A signal or admin has ended the process before it has started.
  private func isToldToEnd(_ accessLog: BufferedFile?) -> Bool {
    switch signals.wait(.zero) {
    case .terminate: return true
    case .reopenLogs: reopenLogs(accessLog)
    case .hangUp, .wake, nil: break
    }
    return shared.withLock { $0.quitRequested }
  }

  private func bindAdmin(
    _ endpoint: AdminEndpoint, _ accessLog: BufferedFile?
  ) throws(OptionError) -> AdminServer {
    let socket: AdminSocket
    let key = "\(SupervisorClient.socketPrefix)admin \(endpoint.address)"
    if let kept = supervisor?.take(key) {
      socket = AdminSocket(keeping: kept, of: endpoint.address)
    } else {
      do {
        socket = try AdminSocket(bindingTo: endpoint.address)
      } catch {
        throw OptionError(error.description)
      }
      supervisor?.keep(key, socket.descriptor)
    }
    if let path = options.adminAddressPath {
      try SmallFile.write(socket.address.description, to: path, purpose: "the admin address")
    }
    log.write(.info, .admin, "admin address: \(socket.address)")
    let append = accessLog.map { file in { @Sendable (line: String) in file.append(line) } }
    let server = AdminServer(socket: socket, source: adminSource, accessLog: append)
    shared.withLock { $0.admin = server }
    return server
  }

  /// The main thread's work while traffic flows. Returns when the process is to end.
  private func waitForEnd(_ accessLog: BufferedFile?) {
    let interval = configuration.statsFlushInterval
    var flushAt = ContinuousClock.now + interval
    while true {
      if ContinuousClock.now >= flushAt {
        dataPlane.flushHistograms()
        flushAt = .now + interval
      }
      let draining = shared.withLock { $0.lifecycle.state == .draining }
      let timeout = draining ? Self.drainCheckInterval : options.fileFlushInterval
      let untilFlush = max(.zero, ContinuousClock.now.duration(to: flushAt))
      let signal = signals.wait(min(min(timeout, options.fileFlushInterval), untilFlush))
      accessLog?.flush()
      switch signal {
      case .reopenLogs: reopenLogs(accessLog)
      case .hangUp: _ = reload()
      case .terminate:
        let action = shared.withLock { $0.lifecycle.terminate(now: .now) }
        if perform(action) { return }
      case .wake, nil: break
      }
      if shared.withLock({ $0.quitRequested }), perform(.end(.quit)) { return }
      let active = draining ? dataPlane.activeConnections : 0
      let check = shared.withLock { shared in
        draining ? shared.lifecycle.check(now: .now, activeConnections: active) : .none
      }
      if perform(check) { return }
    }
  }

  /// SIGHUP and `/plugins/reload`: plugins, the configuration file and the runtime layers on disk. Whatever
  /// is wrong with them, what runs goes on as it is. From any thread.
  /// - Returns: What stands in the way; empty: it is done.
  func reload() -> [String] {
    reloading.withLock { isOver in
      if isOver || shared.withLock({ $0.quitRequested || $0.lifecycle.state == .draining }) {
        log.write(.warning, .main, "not reloaded: the process is ending")
        return ["the process is ending"]
      }
      let set = plugins.newSet()
      let problems = apply(set)
      if problems.isEmpty {
        plugins.commit(set)
        log.write(.info, .main, "reloaded: configuration and plugins")
      } else {
        plugins.drop(set)
        for problem in problems { log.write(.error, .config, "not reloaded: \(problem)") }
      }
      return problems
    }
  }

  private func apply(_ set: PluginSet) -> [String] {
    let found: (ProxyConfiguration, ConfigurationDump)
    do throws(StartupProblem) {
      found = try Self.loadConfiguration(options, log, set)
    } catch {
      return error.lines
    }
    var next = found.0
    let old = configuration
    for (what, isSame) in [
      ("admin", old.admin == next.admin), ("stats_config", old.stats == next.stats),
      ("stats_flush_interval", old.statsFlushInterval == next.statsFlushInterval),
    ] where !isSame {
      log.write(.warning, .config, "`\(what)` has changed; that takes effect when the process starts again")
    }
    next.admin = old.admin
    next.stats = old.stats
    next.statsFlushInterval = old.statsFlushInterval
    var runtime = shared.withLock { $0.runtime }
    if old.runtimeLayers == next.runtimeLayers {
      runtime.readDirectories()
    } else {
      runtime = RuntimeLayers(next.runtimeLayers, serviceCluster: next.node.cluster)
    }
    for problem in runtime.problems { log.write(.warning, .config, "runtime: \(problem)") }
    next.runtime = runtime.values
    do throws(ApplyError) {
      try dataPlane.apply(next) { shared.withLock { $0.quitRequested } }
    } catch {
      return error.problems
    }
    PluginTally.limit(by: next.plugins)
    shared.withLock { [runtime, next] shared in
      shared.runtime = runtime
      shared.configuration = next
      shared.dump = found.1
      shared.loaded = HTTPDate.now()
    }
    return []
  }

  /// - Returns: True where the process is to end.
  private func perform(_ action: Lifecycle.Action) -> Bool {
    switch action {
    case .none: return false
    case .beginDrain:
      let active = dataPlane.activeConnections
      log.write(.info, .main, "signal to end: draining \(active) connections")
      dataPlane.drain(stopAccepting: true)
      return false
    case .end(let reason):
      let active = dataPlane.activeConnections
      switch reason {
      case .drained: log.write(.info, .main, "drained")
      case .drainTimeOver:
        log.write(.warning, .main, "drain time is over: closing \(active) connections")
      case .secondSignal: log.write(.info, .main, "second signal: closing \(active) connections")
      case .quit: log.write(.info, .main, "quit by admin: closing \(active) connections")
      }
      return true
    }
  }

  private func reopenLogs(_ accessLog: BufferedFile?) {
    log.reopen()
    dataPlane.reopenLogs()
    do {
      try accessLog?.reopen()
    } catch {
      log.write(.error, .admin, error.description)
    }
    log.write(.info, .main, "logs reopened")
  }

  private func stop(_ accessLog: BufferedFile?) {
    // A reload that waits for names is given up.
    shared.withLock { $0.quitRequested = true }
    reloading.withLock { $0 = true }
    dataPlane.stop()
    shared.withLock { $0.configuration = ProxyConfiguration() }
    shared.withLock { $0.admin }?.stop()
    plugins.stop()
    watchdog.stop()
    accessLog?.flush()
    log.write(.info, .main, "exiting")
  }
}
