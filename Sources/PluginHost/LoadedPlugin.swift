// A plugin's library in this process: its descriptor, its filters, and how many of its config scopes
// stand. Lives on the control thread; the process never unmaps it (unloading Swift code is not safe).
import CMartletABI
import CMartletBlame
import Glibc
import Model

/// One filter of a plugin, behind a table that is as long as the host knows it.
struct LoadedFilter {
  let kind: FilterKind
  let description: FilterDescription
  /// `martlet_http_filter`, `martlet_network_filter` or `martlet_format_operator`, for ever.
  let table: UnsafeRawPointer
  typealias ConfigCreate =
    @convention(c) (
      martlet_handle, UnsafePointer<martlet_filter_config>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> martlet_status
  typealias Destroy = @convention(c) (UnsafeMutableRawPointer?) -> Void
  let configCreate: ConfigCreate?
  let configDestroy: Destroy?
  let routeConfigCreate: ConfigCreate?
  let routeConfigDestroy: Destroy?
  let onConfigTimer: (@convention(c) (UnsafeMutableRawPointer?, UInt32) -> Void)?
  let onConfigWake: (@convention(c) (UnsafeMutableRawPointer?, UInt64) -> Void)?
}

final class LoadedPlugin: @unchecked Sendable {
  let path: String
  let version: PluginVersion
  let abiMinor: UInt32
  private(set) var filters: [LoadedFilter] = []
  /// Config scopes that stand.
  var scopes = 0
  /// Uses of its format operators that stand.
  var uses = 0
  /// A newer version has taken its place, or its file is gone.
  var isRetired = false
  private(set) var isClosed = false
  /// Nil: none of its code runs.
  private let descriptor: UnsafePointer<martlet_plugin>?
  private let host: UnsafeMutablePointer<martlet_host>?
  let quarantine: Quarantine?
  private let calls: ControlCalls

  private init(
    path: String, version: PluginVersion, descriptor: UnsafePointer<martlet_plugin>,
    host: UnsafeMutablePointer<martlet_host>
  ) {
    self.path = path
    self.version = version
    self.descriptor = descriptor
    self.host = host
    quarantine = nil
    abiMinor = descriptor.pointee.abi_minor
    calls = ControlCalls(version)
  }

  /// What stands in the place of a version that has crashed too often.
  init(
    quarantined description: PluginDescription, _ number: String, _ file: PluginFile,
    _ then: CrashPolicy.Then,
    handle: UInt64
  ) {
    path = file.path
    version = PluginVersion(id: description.id, version: number, hash: file.hash, handle: handle)
    descriptor = nil
    host = nil
    quarantine = Quarantine(then: then, details: QuarantinedFilter.details(of: description.id))
    abiMinor = UInt32(MARTLET_ABI_MINOR)
    calls = ControlCalls(version)
    filters = description.filters.map { QuarantinedFilter.make($0, version, then) }
  }

  var id: String { version.id }

  // MARK: Loading

  private typealias Entry = @convention(c) (UInt32) -> UnsafePointer<martlet_plugin>?

  /// The descriptor of a library that is loaded already.
  static func describe(_ library: UnsafeMutableRawPointer, _ file: PluginFile) throws(PluginProblem)
    -> UnsafePointer<martlet_plugin>
  {
    func problem(_ text: String) -> PluginProblem { PluginFile.problem(file.path, text) }
    guard let symbol = dlsym(library, PluginFile.entry) else {
      throw problem("it does not export the symbol \(PluginFile.entry)")
    }
    let entry = unsafeBitCast(symbol, to: Entry.self)
    let given = ControlCalls(file).call(MARTLET_HOOK_ENTRY) { entry(UInt32(MARTLET_ABI_MINOR)) }
    guard let descriptor = given else {
      throw problem("it cannot work with this host (ABI 1.\(MARTLET_ABI_MINOR))")
    }
    guard Int(descriptor.pointee.size) >= MemoryLayout<martlet_plugin>.size else {
      throw problem(
        "its descriptor has \(descriptor.pointee.size) bytes, expected \(MemoryLayout<martlet_plugin>.size)")
    }
    guard descriptor.pointee.open != nil, descriptor.pointee.query != nil else {
      throw problem("its descriptor lacks `open` or `query`")
    }
    guard let id = descriptor.pointee.id.map({ String(cString: $0) }), isValid(id) else {
      throw problem("its descriptor has no valid id: expected 1 to 127 letters, digits, `.`, `-` and `_`")
    }
    guard descriptor.pointee.version != nil else { throw problem("its descriptor has no version") }
    return descriptor
  }

  private static func isValid(_ id: String) -> Bool {
    (1...127).contains(id.utf8.count)
      && id.utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
          || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
      }
  }

  /// Opens a plugin and reads what it has.
  static func open(
    _ file: PluginFile, _ library: UnsafeMutableRawPointer, _ descriptor: UnsafePointer<martlet_plugin>,
    handles: ControlHandles, query: @convention(c) (UnsafePointer<CChar>?) -> UnsafeRawPointer?,
    hostVersion: UnsafePointer<CChar>
  ) throws(PluginProblem) -> LoadedPlugin {
    let host = UnsafeMutablePointer<martlet_host>.allocate(capacity: 1)
    let id = String(cString: descriptor.pointee.id)
    let number = String(cString: descriptor.pointee.version)
    // The handle must be known before `open`, and the object behind it needs the version.
    let reserved = handles.reserve()
    let version = PluginVersion(id: id, version: number, hash: file.hash, handle: reserved)
    host.initialize(
      to: martlet_host(
        size: UInt32(MemoryLayout<martlet_host>.size), abi_minor: UInt32(MARTLET_ABI_MINOR),
        version: hostVersion, plugin: reserved, query: query))
    let plugin = LoadedPlugin(path: file.path, version: version, descriptor: descriptor, host: host)
    handles.fill(reserved, .plugin(plugin))
    martlet_crash_library_of(library, plugin.calls.tally)
    let status = plugin.calls.call(MARTLET_HOOK_OPEN) { descriptor.pointee.open(host) }
    guard status == MARTLET_OK else {
      handles.remove(reserved)
      throw PluginFile.problem(
        file.path, "\(id) \(number) refuses to open (status \(status)); its log lines say why")
    }
    do throws(PluginProblem) {
      try plugin.readFilters(file)
    } catch {
      plugin.close()
      handles.remove(reserved)
      throw error
    }
    return plugin
  }

  private func query(_ id: String) -> UnsafeRawPointer? {
    guard let descriptor else { return nil }
    return calls.call(MARTLET_HOOK_QUERY) { descriptor.pointee.query(id) }
  }

  private func readFilters(_ file: PluginFile) throws(PluginProblem) {
    if let list = query("martlet.plugin.http_filter/1")?
      .assumingMemoryBound(to: martlet_http_filter_list.self).pointee
    {
      for index in 0..<Int(list.count) {
        filters.append(try http(list.filters?[index], index, file))
      }
    }
    if let list = query("martlet.plugin.network_filter/1")?
      .assumingMemoryBound(to: martlet_network_filter_list.self).pointee
    {
      for index in 0..<Int(list.count) {
        filters.append(try network(list.filters?[index], index, file))
      }
    }
    if let list = query("martlet.plugin.format_operator/1")?
      .assumingMemoryBound(to: martlet_format_operator_list.self).pointee
    {
      for index in 0..<Int(list.count) {
        filters.append(try formatter(list.operators?[index], index, file))
      }
    }
    if filters.isEmpty {
      throw PluginFile.problem(file.path, "\(id) has no filter and no format operator that this host knows")
    }
  }

  /// The plugin's table, as long as the host's own: what an older plugin does not have is NULL.
  private static func whole<Table>(_ table: UnsafePointer<Table>, size: UInt32) -> UnsafeMutablePointer<Table>
  {
    let copy = UnsafeMutablePointer<Table>.allocate(capacity: 1)
    let raw = UnsafeMutableRawPointer(copy)
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: MemoryLayout<Table>.size)
    raw.copyMemory(from: table, byteCount: Swift.min(Int(size), MemoryLayout<Table>.size))
    return copy
  }

  private func http(
    _ given: UnsafePointer<martlet_http_filter>?, _ index: Int, _ file: PluginFile
  ) throws(PluginProblem) -> LoadedFilter {
    let place = "HTTP filter \(index) of \(id)"
    guard let given, Int(given.pointee.size) >= MemoryLayout<martlet_http_filter>.size else {
      throw PluginFile.problem(file.path, "\(place): its table is missing or too short")
    }
    let table = Self.whole(given, size: given.pointee.size)
    guard table.pointee.create != nil, table.pointee.destroy != nil else {
      throw PluginFile.problem(file.path, "\(place): its table lacks `create` or `destroy`")
    }
    let description = try describe(table.pointee.info, .http, place, file)
    if !description.routeTypeNames.isEmpty, table.pointee.route_config_create == nil {
      throw PluginFile.problem(file.path, "\(place): it has types for routes and no `route_config_create`")
    }
    return LoadedFilter(
      kind: .http, description: description, table: UnsafeRawPointer(table),
      configCreate: table.pointee.config_create, configDestroy: table.pointee.config_destroy,
      routeConfigCreate: table.pointee.route_config_create,
      routeConfigDestroy: table.pointee.route_config_destroy,
      onConfigTimer: table.pointee.on_config_timer, onConfigWake: table.pointee.on_config_wake)
  }

  private func network(
    _ given: UnsafePointer<martlet_network_filter>?, _ index: Int, _ file: PluginFile
  ) throws(PluginProblem) -> LoadedFilter {
    let place = "network filter \(index) of \(id)"
    guard let given, Int(given.pointee.size) >= MemoryLayout<martlet_network_filter>.size else {
      throw PluginFile.problem(file.path, "\(place): its table is missing or too short")
    }
    let table = Self.whole(given, size: given.pointee.size)
    guard table.pointee.create != nil, table.pointee.destroy != nil else {
      throw PluginFile.problem(file.path, "\(place): its table lacks `create` or `destroy`")
    }
    return LoadedFilter(
      kind: .network, description: try describe(table.pointee.info, .network, place, file),
      table: UnsafeRawPointer(table), configCreate: table.pointee.config_create,
      configDestroy: table.pointee.config_destroy, routeConfigCreate: nil, routeConfigDestroy: nil,
      onConfigTimer: table.pointee.on_config_timer, onConfigWake: table.pointee.on_config_wake)
  }

  private func formatter(
    _ given: UnsafePointer<martlet_format_operator>?, _ index: Int, _ file: PluginFile
  ) throws(PluginProblem) -> LoadedFilter {
    let place = "formatter \(index) of \(id)"
    guard let given, Int(given.pointee.size) >= MemoryLayout<martlet_format_operator>.size else {
      throw PluginFile.problem(file.path, "\(place): its table is missing or too short")
    }
    let table = Self.whole(given, size: given.pointee.size)
    guard table.pointee.create != nil, table.pointee.destroy != nil, table.pointee.write != nil else {
      throw PluginFile.problem(file.path, "\(place): its table lacks `create`, `destroy` or `write`")
    }
    var description = try describe(table.pointee.info, .formatter, place, file)
    guard description.typeNames.isEmpty || table.pointee.config_create != nil else {
      throw PluginFile.problem(
        file.path, "\(place): it has types for its configuration and no `config_create`")
    }
    description.operators = Self.list(table.pointee.operators)
    guard !description.operators.isEmpty else {
      throw PluginFile.problem(file.path, "\(place): it names no operator")
    }
    for name in description.operators where !FormatParser.isOperatorName(name) {
      throw PluginFile.problem(
        file.path,
        "\(place): '\(name)' is no name of an operator: "
          + "expected 1 to 64 capitals, digits and underscores")
    }
    return LoadedFilter(
      kind: .formatter, description: description, table: UnsafeRawPointer(table),
      configCreate: table.pointee.config_create, configDestroy: table.pointee.config_destroy,
      routeConfigCreate: nil, routeConfigDestroy: nil, onConfigTimer: table.pointee.on_config_timer,
      onConfigWake: table.pointee.on_config_wake)
  }

  /// A list that ends with NULL.
  private static func list(_ names: UnsafePointer<UnsafePointer<CChar>?>?) -> [String] {
    var result: [String] = []
    guard var next = names else { return result }
    while let name = next.pointee {
      result.append(String(cString: name))
      next += 1
    }
    return result
  }

  private func describe(
    _ info: UnsafePointer<martlet_filter_info>?, _ kind: FilterKind, _ place: String, _ file: PluginFile
  ) throws(PluginProblem) -> FilterDescription {
    guard let info, Int(info.pointee.size) >= MemoryLayout<martlet_filter_info>.size,
      let name = info.pointee.name,
      name.pointee != 0
    else { throw PluginFile.problem(file.path, "\(place): its info is missing, too short or has no name") }
    return FilterDescription(
      kind: kind, name: String(cString: name), typeNames: Self.list(info.pointee.type_names),
      routeTypeNames: kind == .http ? Self.list(info.pointee.route_type_names) : [],
      descriptors: Array(info.pointee.descriptors),
      isTerminal: kind == .network && info.pointee.flags & MARTLET_FILTER_TERMINAL != 0,
      isStateful: info.pointee.flags & MARTLET_FILTER_STATEFUL != 0, plugin: version)
  }

  /// No scope stands any more.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    if let close = descriptor?.pointee.close { calls.call(MARTLET_HOOK_CLOSE) { close() } }
  }
}
