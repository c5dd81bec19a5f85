// A plugin host for the author tools: one plugin, nothing of the proxy around it, and what is logged kept.
import CMartletABI
import CPluginTools
import DataPlane
import EnvoyConfiguration
import Model
import PluginHost

/// One a process: the tables of the host are the process's own.
final class ToolHost: Sendable {
  let plugins: PluginHost
  /// The plugins that were loaded.
  let set: PluginSet
  private let lines: LogLines

  /// Lines that were logged, the newest last.
  final class LogLines: Sendable {
    private let state = Locked<[String]>([])
    func add(_ line: String) {
      state.withLock { lines in if lines.count < 1000 { lines.append(line) } }
    }
    func take() -> [String] {
      state.withLock { lines in
        defer { lines = [] }
        return lines
      }
    }
  }

  /// `isInstrumented`: with the wrappers of CPluginTools between plugin and host; they are started before.
  /// `level`: what is asked for of log lines.
  init(isInstrumented: Bool, level: LogLevel = .warning) {
    PluginTables.prepare(logLevel: level)
    let core = PluginServices.WorkerCore(
      logEnabled: PluginTables.logEnabled, log: PluginTables.log, now: PluginTables.now,
      random: PluginTables.random, setTimer: PluginTables.setTimer, wake: PluginTables.wake)
    let lines = LogLines()
    self.lines = lines
    let rateLimits = PluginServices.RateLimits(
      read: { FilterRateLimits.read($0, isJSON: $1) }, descriptors: PluginTables.descriptors)
    var services = PluginServices(
      core: core, rateLimits: rateLimits, table: { PluginTables.table($0) },
      forget: { PluginTables.forget($1, of: $0) }
    ) { level, text in
      if level >= MARTLET_LOG_WARNING { lines.add(text) }
    }
    if isInstrumented {
      services.instruments = PluginServices.Instruments(
        table: { id, table in martlet_tools_wrap_host(id, table).map { UnsafeRawPointer($0) } },
        descriptor: { martlet_tools_wrap_plugin($0) })
    }
    plugins = PluginHost(options: PluginHostOptions(), version: "tools", services: services)
    set = plugins.newSet()
  }

  /// For the data plane of this process.
  var sink: LogSink { { [lines] level, _, text in if level >= .warning { lines.add(text) } } }

  /// What was logged since, warnings and worse.
  func takeLog() -> [String] { lines.take() }

  /// Loads and opens the plugin, which serves from then on.
  func load(_ path: String) throws(ToolProblem) -> PluginReport {
    let problems = set.load([PluginReference(path: path, sha256: "")], policies: nil)
    if let problem = problems.first {
      throw ToolProblem(([problem.message] + takeLog().map { "  " + $0 }).joined(separator: "\n"))
    }
    plugins.commit(set)
    guard let report = plugins.report().first else { throw ToolProblem("plugin '\(path)': not loaded") }
    return report
  }
}
