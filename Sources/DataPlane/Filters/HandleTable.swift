// A worker's objects by handle, for the C functions that get a handle and nothing else. It hangs at
// the worker's thread: a call from any other thread finds nothing.
import CMartletABI
import CMartletSystem
import Model

final class HandleTable {
  let connections: Slab<Connection>
  /// Filters on this worker, and their places in the chains of streams and connections.
  let filters: Slab<FilterScope>
  /// Nil until the worker has one.
  var context: WorkerContext?
  private var plugins: [ObjectIdentifier: WeakPlugin] = [:]
  private var scopes: [ObjectIdentifier: WeakScope] = [:]

  private struct WeakPlugin { weak var runtime: PluginRuntime? }
  private struct WeakScope { weak var scope: FilterOnWorker? }

  init(worker: Int) {
    connections = Slab(worker: worker, kind: 0)
    filters = Slab(worker: worker, kind: 1)
  }

  /// The time of the worker's present turn.
  var now: UInt64? { context?.reactor.now }

  /// Makes this the table of the calling thread, which must be its worker's.
  func install() { martlet_set_thread_pointer(Unmanaged.passUnretained(self).toOpaque()) }

  /// Nil on a thread that is no worker's.
  @inline(__always)
  static var current: HandleTable? {
    guard let table = martlet_thread_pointer() else { return nil }
    return Unmanaged<HandleTable>.fromOpaque(table).takeUnretainedValue()
  }

  /// Any scope of a filter.
  @inline(__always)
  static func scope(_ handle: UInt64) -> FilterScope? { current?.filters[Handle(rawValue: handle)] }

  // MARK: Plugins of this worker

  /// What a plugin has defined, up to date.
  func runtime(of version: PluginVersion, _ context: WorkerContext) -> PluginRuntime {
    if let known = plugins[ObjectIdentifier(version)]?.runtime {
      known.update()
      return known
    }
    plugins = plugins.filter { $0.value.runtime != nil }
    let made = PluginRuntime(version: version, context: context)
    plugins[ObjectIdentifier(version)] = WeakPlugin(runtime: made)
    return made
  }

  /// The worker scope of a filter: one, however many chains it stands in.
  func filter(
    _ binding: FilterBinding, _ hooks: FilterOnWorker.Hooks, _ context: WorkerContext
  ) -> FilterOnWorker {
    let plugin = runtime(of: binding.plugin, context)
    if let known = scopes[ObjectIdentifier(binding)]?.scope, !known.isEnding { return known }
    scopes = scopes.filter { $0.value.scope != nil }
    let made = FilterOnWorker(
      binding: binding, hooks: hooks, plugin: plugin, handles: self, context: context)
    scopes[ObjectIdentifier(binding)] = WeakScope(scope: made)
    return made
  }
}
