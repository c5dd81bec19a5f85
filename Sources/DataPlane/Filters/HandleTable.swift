// A worker's objects by handle, for the C functions that get a handle and nothing else. It hangs at
// the worker's thread: a call from any other thread finds nothing.
import CMartletABI
import CMartletSystem
import Model

final class HandleTable {
  let connections: Slab<Connection>
  /// Filters on this worker, and their places in the chains of streams and connections.
  let filters: Slab<FilterScope>
  /// Of the request that a rate limit filter asks for.
  let descriptors = DescriptorList()
  /// Nil until the worker has one.
  var context: WorkerContext?
  private let known = KnownOnWorker()
  /// Of filters that are no plugin's.
  let ownCalls: PluginCalls

  init(worker: Int) {
    ownCalls = PluginCalls(ownOf: worker)
    connections = Slab(worker: worker, kind: 0)
    filters = Slab(worker: worker, kind: 1)
    filters.index.pointee.owner = Unmanaged.passUnretained(self).toOpaque()
  }

  deinit {
    let own = UnsafeMutableRawPointer(filters.index)
    if martlet_thread_pointer() == own { martlet_set_thread_pointer(nil) }
  }

  /// The time of the worker's present turn.
  var now: UInt64? { context?.reactor.now }

  /// Makes this the table of the calling thread, which must be its worker's.
  func install() { martlet_set_thread_pointer(filters.index) }

  /// What the thread's pointer names: the filters, which are asked for most.
  @inline(__always)
  private static var index: UnsafeMutablePointer<Slab<FilterScope>.Index>? {
    martlet_thread_pointer()?.assumingMemoryBound(to: Slab<FilterScope>.Index.self)
  }

  /// Nil on a thread that is no worker's.
  static var current: HandleTable? {
    index?.pointee.owner.map { Unmanaged<HandleTable>.fromOpaque($0).takeUnretainedValue() }
  }

  /// Any scope of a filter.
  static func scope(_ handle: UInt64) -> FilterScope? { borrowed(handle)?.takeUnretainedValue() }

  /// The same for what cannot end the scope: nothing is retained.
  @inline(__always)
  static func borrowed(_ handle: UInt64) -> Unmanaged<FilterScope>? {
    index?.pointee.find(handle)
  }

  // MARK: Plugins of this worker

  /// What a plugin has defined, up to date.
  func runtime(of version: PluginVersion, _ context: WorkerContext) -> PluginRuntime {
    if let known = known.runtime(of: version) {
      known.update()
      return known
    }
    return PluginRuntime(version: version, context: context, known: known)
  }

  /// Formats of a plugin that nobody wants any more.
  func forget(_ formats: [FormatNumber], of version: PluginVersion) {
    known.runtime(of: version)?.forget(formats)
  }

  /// The worker ends: nothing is written any more.
  func forgetFormats() {
    for runtime in known.all { runtime.forgetFormats() }
  }

  /// The worker scope of a filter: one, however many chains it stands in.
  func filter(
    _ binding: FilterBinding, _ hooks: FilterOnWorker.Hooks, _ context: WorkerContext
  ) -> FilterOnWorker {
    let plugin = runtime(of: binding.plugin, context)
    if let known = known.scopes[ObjectIdentifier(binding)] { return known }
    let made = FilterOnWorker(
      binding: binding, hooks: hooks, plugin: plugin, handles: self, context: context)
    known.scopes[ObjectIdentifier(binding)] = made
    return made
  }

  /// The scope has ended.
  func forget(_ scope: FilterOnWorker) { known.scopes[ObjectIdentifier(scope.binding)] = nil }
}

/// The plugins' things that exist on a worker, to be found again. No weak references: an object that has
/// had one is counted the slow way for ever, and these are on every request's path.
final class KnownOnWorker {
  private var runtimes: [ObjectIdentifier: Unmanaged<PluginRuntime>] = [:]
  var all: [PluginRuntime] { runtimes.values.map { $0.takeUnretainedValue() } }
  /// Until they end.
  var scopes: [ObjectIdentifier: FilterOnWorker] = [:]

  func runtime(of version: PluginVersion) -> PluginRuntime? {
    runtimes[ObjectIdentifier(version)]?.takeUnretainedValue()
  }
  func add(_ runtime: PluginRuntime) {
    runtimes[ObjectIdentifier(runtime.version)] = Unmanaged.passUnretained(runtime)
  }
  /// Called as it goes.
  func remove(of version: PluginVersion) { runtimes[ObjectIdentifier(version)] = nil }
}
