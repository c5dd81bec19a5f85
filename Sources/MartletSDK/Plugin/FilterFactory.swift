// Config and worker scopes, the same for HTTP filters, network filters and format operators.
import CMartletABI

/// What makes the config scopes of one filter type. One a type, for ever.
final class FilterFactory: Sendable {
  let scopes: FilterScopes
  /// The HTTPDispatch, NetworkDispatch or OperatorDispatch.
  nonisolated(unsafe) let dispatch: UnsafeRawPointer
  enum Kind: Sendable { case http, network, formatter }
  let kind: Kind

  private init(_ scopes: FilterScopes, _ dispatch: UnsafeRawPointer, _ kind: Kind) {
    self.scopes = scopes
    self.dispatch = dispatch
    self.kind = kind
  }

  /// All of this library, written before it is opened.
  nonisolated(unsafe) private static var all: [FilterFactory] = []

  static func add(_ scopes: FilterScopes, _ dispatch: UnsafeRawPointer, _ kind: Kind) {
    all.append(FilterFactory(scopes, dispatch, kind))
  }

  /// The filter type whose configuration this is, by the rule that the host finds it by: its type,
  /// and its name where it has none.
  private static func find(
    _ given: martlet_filter_config, _ kind: Kind, _ typeNames: KeyPath<FilterScopes, [String]>
  ) -> FilterFactory? {
    let type = String(BytesView(unsafe: given.type_name))
    let name = String(BytesView(unsafe: given.name))
    let same = all.filter { $0.kind == kind }
    let named = same.first { $0.scopes.name == name }
    if let named, type.isEmpty || named.scopes[keyPath: typeNames].contains(type) { return named }
    return same.first { $0.scopes[keyPath: typeNames].contains(type) }
      ?? (same.count == 1 ? same[0] : nil)
  }

  // MARK: config scopes [control]

  static func createConfig(
    _ handle: martlet_handle, _ given: UnsafePointer<martlet_filter_config>?,
    _ out: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ kind: Kind
  ) -> martlet_status {
    guard let given, let out, let services = PluginState.services else { return MARTLET_E_STATE }
    guard let factory = find(given.pointee, kind, \.typeNames) else {
      return MARTLET_E_NOT_FOUND
    }
    guard let settings = factory.scopes.makeConfig(given, handle, services) else {
      return MARTLET_E_ARGUMENT
    }
    let record = ConfigRecord(handle, services, settings, factory.scopes, factory.dispatch)
    out.pointee = Unmanaged.passRetained(record).toOpaque()
    return MARTLET_OK
  }

  static func createRouteConfig(
    _ handle: martlet_handle, _ given: UnsafePointer<martlet_filter_config>?,
    _ out: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  ) -> martlet_status {
    guard let given, let out, let services = PluginState.services else { return MARTLET_E_STATE }
    guard let factory = find(given.pointee, .http, \.routeTypeNames) else {
      return MARTLET_E_NOT_FOUND
    }
    guard let settings = factory.scopes.makeRouteConfig(given, handle, services) else {
      return MARTLET_E_ARGUMENT
    }
    out.pointee = Unmanaged.passRetained(settings as AnyObject).toOpaque()
    return MARTLET_OK
  }

  static func destroyConfig(_ config: UnsafeMutableRawPointer?) {
    if let config { Unmanaged<ConfigRecord>.fromOpaque(config).release() }
  }

  static func onConfigTimer(_ config: UnsafeMutableRawPointer?, _ timer: UInt32) {
    guard let config else { return }
    let record = Unmanaged<ConfigRecord>.fromOpaque(config).takeUnretainedValue()
    var scope = ConfigurationScope(record.handle, record.services)
    record.settings.onTimer(&scope, timer: Int(timer))
  }

  static func onConfigWake(_ config: UnsafeMutableRawPointer?, _ token: UInt64) {
    guard let config else { return }
    let record = Unmanaged<ConfigRecord>.fromOpaque(config).takeUnretainedValue()
    var scope = ConfigurationScope(record.handle, record.services)
    record.settings.onWake(&scope, token: token)
  }

  // MARK: worker scopes [worker]

  static func createWorker(
    _ config: UnsafeMutableRawPointer?, _ handle: martlet_handle
  ) -> UnsafeMutableRawPointer? {
    guard let config else { return nil }
    let record = Unmanaged<ConfigRecord>.fromOpaque(config).takeUnretainedValue()
    return UnsafeMutableRawPointer(record.makeWorker(handle))
  }

  static func destroyWorker(_ worker: UnsafeMutableRawPointer?) {
    if let worker {
      ConfigRecord.destroyWorker(worker.assumingMemoryBound(to: WorkerRecord.self))
    }
  }

  static func onWorkerTimer(_ worker: UnsafeMutableRawPointer?, _ timer: UInt32) {
    guard let record = worker?.assumingMemoryBound(to: WorkerRecord.self) else { return }
    var scope = WorkerScope(record.pointee.handle, record.pointee.services)
    let shared = Unmanaged<AnyObject>.fromOpaque(record.pointee.shared).takeUnretainedValue()
    record.pointee.config.scopes.onWorkerTimer(shared, &scope, Int(timer))
  }

  static func onWorkerWake(_ worker: UnsafeMutableRawPointer?, _ token: UInt64) {
    guard let record = worker?.assumingMemoryBound(to: WorkerRecord.self) else { return }
    var scope = WorkerScope(record.pointee.handle, record.pointee.services)
    let shared = Unmanaged<AnyObject>.fromOpaque(record.pointee.shared).takeUnretainedValue()
    record.pointee.config.scopes.onWorkerWake(shared, &scope, token)
  }
}
