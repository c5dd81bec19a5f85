// A config scope as the host holds it: the settings, and how workers are made of them.
import CMartletABI

/// What is the same for HTTP filters, network filters and format operators of one type.
public struct FilterScopes: Sendable {
  typealias MakeConfig =
    @Sendable (
      UnsafePointer<martlet_filter_config>, martlet_handle, UnsafePointer<HostServices>
    ) -> (any FilterSettings)?
  typealias MakeWorker = @Sendable (any FilterSettings, inout WorkerScope) -> AnyObject
  let name: String
  let typeNames: [String]
  let routeTypeNames: [String]
  let descriptors: Descriptors
  /// No two places of the configuration share settings.
  let isStateful: Bool
  let routeSettings: ObjectIdentifier
  let makeConfig: MakeConfig
  let makeRouteConfig: MakeConfig
  /// Nil: hooks are handed the settings themselves.
  let makeWorker: MakeWorker?
  let onWorkerTimer: @Sendable (AnyObject, inout WorkerScope, Int) -> Void
  let onWorkerWake: @Sendable (AnyObject, inout WorkerScope, UInt64) -> Void

  /// Hooks are handed the settings.
  @usableFromInline
  init<Settings: FilterSettings, Route: FilterSettings>(
    name: String, descriptors: Descriptors, isStateful: Bool, _ settings: Settings.Type, route: Route.Type
  ) {
    self.init(name, descriptors, isStateful, settings, route, nil, { _, _, _ in }, { _, _, _ in })
  }

  /// Hooks are handed an object of the worker.
  @usableFromInline
  init<Worker: FilterWorker, Route: FilterSettings>(
    name: String, descriptors: Descriptors, isStateful: Bool, worker: Worker.Type, route: Route.Type
  ) {
    self.init(
      name, descriptors, isStateful, Worker.Settings.self, route,
      { settings, scope in
        Worker(&scope, unsafeDowncast(settings as AnyObject, to: Worker.Settings.self))
      },
      { worker, scope, timer in
        unsafeDowncast(worker, to: Worker.self).onTimer(&scope, timer: timer)
      },
      { worker, scope, token in
        unsafeDowncast(worker, to: Worker.self).onWake(&scope, token: token)
      })
  }

  private init<Settings: FilterSettings, Route: FilterSettings>(
    _ name: String, _ descriptors: Descriptors, _ isStateful: Bool, _ settings: Settings.Type,
    _ route: Route.Type,
    _ makeWorker: MakeWorker?,
    _ onWorkerTimer: @escaping @Sendable (AnyObject, inout WorkerScope, Int) -> Void,
    _ onWorkerWake: @escaping @Sendable (AnyObject, inout WorkerScope, UInt64) -> Void
  ) {
    self.name = name
    self.descriptors = descriptors
    self.isStateful = isStateful
    typeNames = Settings.Message.typeNames
    routeTypeNames = Route.Message.typeNames
    routeSettings = ObjectIdentifier(route)
    makeConfig = { ConfigurationScope.settings(Settings.self, $0, $1, $2) }
    makeRouteConfig = { ConfigurationScope.settings(Route.self, $0, $1, $2) }
    self.makeWorker = makeWorker
    self.onWorkerTimer = onWorkerTimer
    self.onWorkerWake = onWorkerWake
  }
}

/// What the host holds as `void *config`.
final class ConfigRecord {
  let handle: martlet_handle
  let services: UnsafePointer<HostServices>
  let settings: any FilterSettings
  let scopes: FilterScopes
  /// The HTTPDispatch, NetworkDispatch or OperatorDispatch.
  let dispatch: UnsafeRawPointer

  init(
    _ handle: martlet_handle, _ services: UnsafePointer<HostServices>,
    _ settings: any FilterSettings, _ scopes: FilterScopes, _ dispatch: UnsafeRawPointer
  ) {
    self.handle = handle
    self.services = services
    self.settings = settings
    self.scopes = scopes
    self.dispatch = dispatch
  }

  /// A worker scope as the host holds it.
  func makeWorker(_ handle: martlet_handle) -> UnsafeMutablePointer<WorkerRecord> {
    var scope = WorkerScope(handle, services)
    let shared = scopes.makeWorker.map { $0(settings, &scope) } ?? settings as AnyObject
    let record = UnsafeMutablePointer<WorkerRecord>.allocate(capacity: 1)
    record.initialize(
      to: WorkerRecord(
        services: services, handle: handle,
        shared: UnsafeRawPointer(Unmanaged.passRetained(shared).toOpaque()), dispatch: dispatch,
        routeSettings: scopes.routeSettings, config: self, free: nil))
    return record
  }

  static func destroyWorker(_ record: UnsafeMutablePointer<WorkerRecord>) {
    record.pointee.releaseSlots()
    Unmanaged<AnyObject>.fromOpaque(record.pointee.shared).release()
    record.deinitialize(count: 1)
    record.deallocate()
  }
}
