// Versions of plugins that have crashed the process: whether they are loaded again, or what stands in their
// place. A version is a file's content, so that a changed file is free again.
import CMartletABI
public import Model

/// A version that is not loaded, because it has crashed the process too often.
struct Quarantine {
  let then: CrashPolicy.Then
  /// For replies; never freed.
  let details: UnsafeMutableRawPointer
}

/// What is known of one version's crashes.
public struct PluginCrashReport: Sendable {
  public var plugin: String
  public var version: String
  public var hash: String
  public var crashes: [CrashHistory.Crash]
  /// Nil: it was loaded again.
  public var then: CrashPolicy.Then?
}

extension PluginHost {
  private static func key(ofHash hash: String) -> String { "plugin:\(hash)" }
  private static func key(ofPath path: String) -> String { "plugin-path:\(path)" }

  /// What the file has said of itself, or the one that was at its place, when it was loaded last.
  private func description(of file: PluginFile) -> PluginDescription? {
    let bytes = history.recall(Self.key(ofHash: file.hash)) ?? history.recall(Self.key(ofPath: file.path))
    return bytes.flatMap(PluginDescription.init)
  }

  /// The plugin runs: should it crash, it is known by this.
  func remember(_ plugin: LoadedPlugin, _ file: PluginFile) {
    let description = PluginDescription(
      id: plugin.id, version: plugin.version.version, hash: file.hash,
      filters: plugin.filters.map {
        .init(
          kind: $0.kind, isTerminal: $0.description.isTerminal, name: $0.description.name,
          types: $0.description.typeNames, routeTypes: $0.description.routeTypeNames,
          operators: $0.description.operators, descriptors: $0.description.descriptors)
      })
    history.remember(Self.key(ofHash: file.hash), description.bytes)
    history.remember(Self.key(ofPath: file.path), description.bytes)
  }

  /// Nil: it has never crashed. Notes what was decided.
  func verdict(on file: PluginFile, _ policies: PluginPolicies) -> PluginCrashReport? {
    let crashes = history.crashes.filter { $0.hash == file.hash }
    guard let last = crashes.last else { return nil }
    let known = description(of: file)
    let id = known?.id ?? last.plugin
    let now = ContinuousClock.now
    let then = policies[id].crash.disables(crashedBefore: crashes.map { $0.at.duration(to: now) })
    let isSame = known?.hash == file.hash
    let report = PluginCrashReport(
      plugin: id, version: (isSame ? known?.version : nil) ?? last.version, hash: file.hash, crashes: crashes,
      then: then)
    crashed.withLock { $0[file.hash] = report }
    return report
  }

  /// What stands in the place of a version that is not loaded.
  func quarantined(
    _ file: PluginFile, _ report: PluginCrashReport, _ then: CrashPolicy.Then
  ) throws(PluginProblem) -> LoadedPlugin {
    let name = report.crashes.last.map {
      $0.filter.isEmpty ? $0.function : "filter \($0.filter), \($0.function)"
    }
    let count = report.crashes.count
    let crashed =
      "it has crashed the process \(count == 1 ? "once" : "\(count) times"), last in \(name ?? "")"
    guard let description = description(of: file) else {
      throw PluginFile.problem(
        file.path, "not loaded: \(crashed), and has never said which filters it has; a changed file is tried")
    }
    let plugin = LoadedPlugin(
      quarantined: description, report.version, file, then, handle: handles.reserve())
    handles.fill(plugin.version.handle, .plugin(plugin))
    let effect =
      then == .failOpen ? "its filters are passed over" : "its filters answer 503 and close connections"
    services.log(
      MARTLET_LOG_ERROR,
      "plugin '\(file.path)': \(plugin.id) \(report.version) (\(file.hash.prefix(12))) is quarantined: "
        + "\(crashed); "
        + "\(effect) (\(then.rawValue)) until the file changes")
    return plugin
  }

  /// Versions in whose code processes before this one have died, and that were looked at since.
  public var crashReports: [PluginCrashReport] {
    crashed.withLock { $0.values.sorted { ($0.plugin, $0.hash) < ($1.plugin, $1.hash) } }
  }
}
