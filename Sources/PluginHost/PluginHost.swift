// Finds, checks, loads and swaps plugins. One a process.
//
//     folders, files --scan--> PluginSet --(a configuration is read with it)--> commit
//
// A set is what the plugins are at one time: the reader of configurations makes its filters of it. Only when
// the configuration has been applied does the set become the present one; until then, and when anything
// is wrong with it, the one before it serves. A plugin whose file has changed is loaded beside its old
// version, which is closed when the last of its filters is gone.
//
// Threading: all calls into plugins that are not a worker's are made on one thread (`ControlThread`). The
// methods here may be called from any thread, one caller at a time.
import CMartletABI
import CMartletBlame
import Glibc
public import Model

public struct PluginHostOptions: Sendable {
  /// Folders in the order in which they are searched for `*.so`.
  public var folders: [Folder] = []

  public struct Folder: Sendable, Hashable {
    public var path: String
    /// The operator has named it: what is wrong with it or its files is an error. Otherwise it may be
    /// missing.
    public var isNamed: Bool
    public init(path: String, isNamed: Bool) {
      self.path = path
      self.isNamed = isNamed
    }
  }

  public init() {}
}

public final class PluginHost: @unchecked Sendable {
  let options: PluginHostOptions
  let services: PluginServices
  let control = ControlThread()
  let handles = ControlHandles()
  let shared = SharedData()
  let history: CrashHistory
  /// What was decided about versions that have crashed, by their hashes.
  let crashed = Locked<[String: PluginCrashReport]>([:])
  private let copies = PrivateCopies()
  private let core: UnsafePointer<martlet_host_core>
  private let rateLimits: UnsafePointer<martlet_host_rate_limit>
  private let version: UnsafePointer<CChar>

  // On the control thread.
  /// Every version that was opened and not closed, by the hash of its file.
  private var loaded: [String: LoadedPlugin] = [:]
  private var bindings: [BindingKey: WeakBinding] = [:]
  private struct BindingKey: Hashable {
    var plugin: ObjectIdentifier
    var request: FilterRequest
  }
  private var uses: [UseKey: WeakUse] = [:]
  private struct UseKey: Hashable {
    /// While the use stands, so does its formatter.
    var formatter: ObjectIdentifier
    var name: String
    var argument: String?
  }
  private struct WeakUse { weak var binding: FormatOperatorBinding? }
  private struct WeakBinding { weak var binding: FilterBinding? }

  /// The set that the running configuration was made with.
  public private(set) var current: PluginSet?

  /// `version`: the host's own.
  public init(
    options: PluginHostOptions, version: String, services: PluginServices,
    history: CrashHistory = CrashHistory()
  ) {
    self.options = options
    self.history = history
    self.services = services
    core = HostCoreServices.make(services.core)
    rateLimits = HostRateLimitRules.make(services.rateLimits)
    let text = UnsafeMutablePointer<CChar>.allocate(capacity: version.utf8.count + 1)
    for (index, byte) in version.utf8CString.enumerated() { text[index] = byte }
    self.version = UnsafePointer(text)
    HostConfigServices.host = self
  }

  /// What the plugin may query. C functions have no context: the process has one host.
  private static let query: @convention(c) (UnsafePointer<CChar>?) -> UnsafeRawPointer? = { id in
    guard let id, let host = HostConfigServices.host else { return nil }
    let name = String(cString: id)
    let found = host.table(name)
    return host.services.instruments.map { $0.table(name, found) } ?? found
  }

  private func table(_ id: String) -> UnsafeRawPointer? {
    switch id {
    case "martlet.host.core/1": UnsafeRawPointer(core)
    case "martlet.host.config/1": UnsafeRawPointer(HostConfigServices.table)
    case "martlet.host.rate_limit/1": UnsafeRawPointer(rateLimits)
    case "martlet.host.shared_data/1": UnsafeRawPointer(SharedData.table)
    default: services.table(id)
    }
  }

  // MARK: Sets

  /// A set of nothing yet: the folders are looked at, and what is new there is loaded, when a configuration
  /// is read with it (`PluginSet.load`); those that nobody has named when it needs them (`loadInstalled`).
  public func newSet() -> PluginSet { PluginSet(host: self) }

  /// On the control thread.
  func scan(into set: PluginSet, isNamed: Bool) {
    for folder in options.folders where folder.isNamed == isNamed {
      guard let names = Self.libraries(in: folder.path) else {
        if folder.isNamed {
          set.refuse("plugin folder '\(folder.path)': \(String(cString: strerror(errno)))", services.log)
        }
        continue
      }
      for name in names { add("\(folder.path)/\(name)", to: set, isNamed: folder.isNamed) }
    }
  }

  /// Names of `*.so`, sorted; nil: the folder cannot be read.
  private static func libraries(in folder: String) -> [String]? {
    guard let directory = opendir(folder) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasSuffix(".so"), !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  private func add(_ path: String, to set: PluginSet, isNamed: Bool) {
    do throws(PluginProblem) {
      set.add(try load(try PluginFile.read(path), set.policies), from: path, services.log)
    } catch {
      if error.isForeign, !isNamed {
        if services.core.logEnabled(MARTLET_LOG_DEBUG) { services.log(MARTLET_LOG_DEBUG, error.message) }
      } else {
        set.refuse(error.message, services.log)
      }
    }
  }

  /// A plugin that a bootstrap names. Nil: it is in the set; otherwise why not. On the control thread.
  func add(_ reference: PluginReference, to set: PluginSet) -> String? {
    do throws(PluginProblem) {
      let file = try PluginFile.read(reference.path)
      let wanted = reference.sha256.lowercased()
      guard wanted.isEmpty || wanted == file.hash else {
        throw PluginFile.problem(file.path, "its SHA-256 is \(file.hash), expected \(wanted)")
      }
      set.add(try load(file, set.policies), from: reference.path, isExplicit: true, services.log)
      return nil
    } catch {
      return error.message
    }
  }

  private func load(
    _ file: PluginFile, _ policies: PluginPolicies
  ) throws(PluginProblem) -> LoadedPlugin {
    let report = verdict(on: file, policies)
    if let known = loaded[file.hash], known.quarantine?.then == report?.then { return known }
    if let report, let then = report.then {
      let plugin = try quarantined(file, report, then)
      loaded[file.hash] = plugin
      return plugin
    }
    if let report {
      let count = report.crashes.count
      services.log(
        MARTLET_LOG_WARNING,
        "plugin '\(file.path)': \(report.plugin) \(report.version) is loaded again, although it has crashed "
          + "the process \(count == 1 ? "once" : "\(count) times")")
    }
    let name = file.path.split(separator: "/").last.map(String.init) ?? "plugin"
    let id = name.hasSuffix(".so") ? String(name.dropLast(3)) : name
    let outcome = ControlCalls(file).call(MARTLET_HOOK_LOAD) {
      Result { () throws(PluginProblem) in try copies.load(file, id: id) }
    }
    let library = try outcome.get()
    var descriptor = try LoadedPlugin.describe(library, file)
    if let instruments = services.instruments { descriptor = instruments.descriptor(descriptor) }
    let plugin = try LoadedPlugin.open(
      file, library, descriptor, handles: handles, query: Self.query, hostVersion: version)
    loaded[file.hash] = plugin
    remember(plugin, file)
    services.log(
      MARTLET_LOG_INFO,
      "loaded \(plugin.id) \(plugin.version.version) from '\(file.path)' "
        + "(ABI 1.\(plugin.abiMinor), \(file.hash.prefix(12)))"
    )
    return plugin
  }

  /// The set serves from now on; versions that are in no set any more are closed when nothing uses them.
  public func commit(_ set: PluginSet) {
    control.run {
      current = set
      retire(keeping: set)
    }
  }

  /// A set that is not to serve: what was loaded for it alone goes again.
  public func drop(_ set: PluginSet) {
    control.run { retire(keeping: current) }
  }

  private func retire(keeping set: PluginSet?) {
    let kept = Set(set?.plugins.map(\.version.hash) ?? [])
    for plugin in loaded.values {
      plugin.isRetired = !kept.contains(plugin.version.hash)
      closeIfUnused(plugin)
    }
    bindings = bindings.filter { $0.value.binding != nil }
    uses = uses.filter { $0.value.binding != nil }
  }

  private func closeIfUnused(_ plugin: LoadedPlugin) {
    guard plugin.isRetired, plugin.scopes == 0, plugin.uses == 0, !plugin.isClosed else { return }
    plugin.close()
    handles.remove(plugin.version.handle)
    // Its verdict may have changed, and another stand in its place.
    if loaded[plugin.version.hash] === plugin { loaded[plugin.version.hash] = nil }
    services.log(
      MARTLET_LOG_INFO, "closed \(plugin.id) \(plugin.version.version) (\(plugin.version.hash.prefix(12)))")
  }

  // MARK: Config scopes

  /// `operators`: what the formats of the filter may use.
  func make(
    _ plugin: LoadedPlugin, _ filter: LoadedFilter, _ request: FilterRequest, _ operators: FormatOperators?
  ) -> FilterOutcome {
    control.run { makeNow(plugin, filter, request, operators) }
  }

  private func makeNow(
    _ plugin: LoadedPlugin, _ filter: LoadedFilter, _ request: FilterRequest, _ operators: FormatOperators?
  ) -> FilterOutcome {
    let key = BindingKey(plugin: ObjectIdentifier(plugin), request: request)
    if let known = bindings[key]?.binding, areCurrent(known.operators, operators) {
      return FilterOutcome(binding: known, errors: [], warnings: [])
    }
    let scope = open(ConfigScope(plugin: plugin, filter: filter, request: request, operators: operators))
    let isMade = scope.create()
    let used = scope.takeOperators()
    guard isMade else {
      end(scope)
      return FilterOutcome(binding: nil, errors: scope.errors, warnings: scope.warnings)
    }
    plugin.scopes += 1
    let binding = FilterBinding(
      table: filter.table, config: scope.object, handle: scope.handle, filterName: filter.description.name,
      nameInChain: request.name, plugin: plugin.version, operators: used
    ) { [self] in
      control.post { [self] in
        scope.destroy()
        end(scope)
        plugin.scopes -= 1
        closeIfUnused(plugin)
      }
    }
    bindings[key] = WeakBinding(binding: binding)
    return FilterOutcome(binding: binding, errors: [], warnings: scope.warnings)
  }

  /// A use of one of `filter`'s operators.
  func makeUse(
    of name: String, argument: String?, _ plugin: LoadedPlugin, _ filter: LoadedFilter,
    _ formatter: FilterBinding, _ operators: FormatOperators
  ) -> Result<FormatOperatorBinding, FormatError> {
    control.run { makeUseNow(of: name, argument: argument, plugin, filter, formatter, operators) }
  }

  private func makeUseNow(
    of name: String, argument: String?, _ plugin: LoadedPlugin, _ filter: LoadedFilter,
    _ formatter: FilterBinding, _ operators: FormatOperators
  ) -> Result<FormatOperatorBinding, FormatError> {
    let key = UseKey(formatter: ObjectIdentifier(formatter), name: name, argument: argument)
    if let known = uses[key]?.binding, areCurrent(known.operators, operators) { return .success(known) }
    let request = FilterRequest(
      kind: .formatter, filter: filter.description.name, name: name, typeName: "", encoding: .json, bytes: [],
      isForRoute: false, managerPrefix: "", node: operators.node)
    let scope = open(
      ConfigScope(plugin: plugin, filter: filter, request: request, operators: operators, isUse: true))
    var kind = MARTLET_VALUE_TEXT
    let isMade = scope.createUse(of: name, argument: argument, formatter: formatter, kind: &kind)
    var used = scope.takeOperators()
    for warning in scope.warnings {
      services.log(MARTLET_LOG_WARNING, "%\(name)(\(argument ?? ""))%: \(warning.message)")
    }
    guard isMade else {
      end(scope)
      let texts = scope.errors.map { $0.path.isEmpty ? $0.message : "\($0.path): \($0.message)" }
      return .failure(FormatError(message: texts.joined(separator: "; ")))
    }
    used[name] = formatter
    plugin.uses += 1
    let binding = FormatOperatorBinding(
      name: name,
      kind: kind == MARTLET_VALUE_NUMBER ? .number : kind == MARTLET_VALUE_BOOLEAN ? .boolean : .text,
      use: scope.object, formatter: formatter, operators: used
    ) { [self] in
      control.post { [self] in
        scope.destroy()
        end(scope)
        plugin.uses -= 1
        closeIfUnused(plugin)
      }
    }
    uses[key] = WeakUse(binding: binding)
    return .success(binding)
  }

  /// Whether the operators that something was made with are those that it would be made with now.
  private func areCurrent(_ used: [String: FilterBinding], _ operators: FormatOperators?) -> Bool {
    used.allSatisfy { operators?.configuration(of: $0.key) === $0.value }
  }

  private func open(_ scope: ConfigScope) -> ConfigScope {
    let handle = handles.reserve(.config)
    scope.opened(as: handle)
    handles.fill(handle, .config(scope))
    return scope
  }

  private func end(_ scope: ConfigScope) {
    control.cancelTimers(of: scope.handle)
    handles.remove(scope.handle)
    let gone = scope.plugin.version.define { [formats = scope.formats] in $0.release(formats: formats) }
    if !gone.isEmpty { services.forget(scope.plugin.version, gone) }
  }

  // MARK: Services for handles of this side

  func name(of handle: UInt64) -> String {
    switch handles[handle] {
    case .plugin(let plugin): plugin.id
    case .config(let scope): scope.isUse ? "%\(scope.request.name)%" : scope.filter.description.name
    case nil: "plugin"
    }
  }

  func pluginID(_ handle: UInt64) -> String? {
    ControlHandle.isControl(handle) ? handles.plugin(handle)?.id : nil
  }

  func setTimer(_ handle: UInt64, _ timer: UInt32, _ milliseconds: UInt64) -> martlet_status {
    guard control.isCurrent, let scope = handles.config(handle) else { return MARTLET_E_GONE }
    guard timer < 8, milliseconds <= 1 << 40 else { return MARTLET_E_ARGUMENT }
    guard !scope.request.isForRoute, !scope.isUse, let hook = scope.filter.onConfigTimer else {
      return MARTLET_E_STATE
    }
    control.setTimer(handle, timer, milliseconds: milliseconds) { [handles] in
      // The scope's end takes its timers off; it has its object by the time one is due.
      guard let scope = handles.config(handle), let object = scope.liveObject else { return }
      scope.calls.call(MARTLET_HOOK_ON_CONFIG_TIMER) { hook(object.pointer, timer) }
    }
    return MARTLET_OK
  }

  func wake(_ handle: UInt64, _ token: UInt64) -> martlet_status {
    guard let scope = handles.config(handle) else { return MARTLET_E_GONE }
    guard !scope.request.isForRoute, !scope.isUse, let hook = scope.filter.onConfigWake else {
      return MARTLET_OK
    }
    control.post { [handles] in
      guard let scope = handles.config(handle), let object = scope.liveObject else { return }
      scope.calls.call(MARTLET_HOOK_ON_CONFIG_WAKE) { hook(object.pointer, token) }
    }
    return MARTLET_OK
  }

  // MARK: The end

  /// Every version that is loaded, the present set's first.
  public func report() -> [PluginReport] {
    control.run {
      let present = current?.plugins ?? []
      let hashes = Set(present.map(\.version.hash))
      let others = loaded.values.filter { !hashes.contains($0.version.hash) }
        .sorted { ($0.id, $0.version.hash) < ($1.id, $1.version.hash) }
      return (present + others).map { plugin in
        PluginReport(
          version: plugin.version, path: plugin.path, abiMinor: plugin.abiMinor,
          isPresent: hashes.contains(plugin.version.hash), quarantine: plugin.quarantine?.then,
          filters: plugin.filters.map {
            .init(
              kind: $0.kind, name: $0.description.name, typeNames: $0.description.typeNames,
              routeTypeNames: $0.description.routeTypeNames, isTerminal: $0.description.isTerminal,
              descriptorBytes: $0.description.descriptors.count, hooks: $0.hooks,
              operators: $0.description.operators)
          }, configurations: plugin.scopes, uses: plugin.uses,
          bytesHeld: HostCoreServices.bytesHeld(by: plugin.version.handle))
      }
    }
  }

  /// No worker runs any more: closes every plugin whose filters are gone.
  public func stop() {
    control.run {
      current = nil
      retire(keeping: nil)
    }
    control.stop()
    copies.removeFiles()
  }
}

/// What is known of one loaded version.
public struct PluginReport: Sendable {
  public var version: PluginVersion
  /// Where it was loaded from.
  public var path: String
  public var abiMinor: UInt32
  /// New streams take it; otherwise it serves what began with it.
  public var isPresent: Bool
  /// Nil: its code runs. Otherwise it has crashed too often, and this stands in its place.
  public var quarantine: CrashPolicy.Then?
  public var filters: [Filter]
  /// Filters in configurations, and routes' configurations of them, that stand.
  public var configurations: Int
  /// Of its format operators, that stand.
  public var uses: Int
  /// Of the host's allocator.
  public var bytesHeld: Int

  public struct Filter: Sendable {
    public var kind: FilterKind
    public var name: String
    public var typeNames: [String]
    public var routeTypeNames: [String]
    /// `MARTLET_FILTER_TERMINAL`.
    public var isTerminal: Bool
    /// Of the descriptors of its messages; 0: it reads JSON.
    public var descriptorBytes: Int
    /// The functions of its table that are not NULL, in the table's order.
    public var hooks: [String]
    public var operators: [String]
  }
}
