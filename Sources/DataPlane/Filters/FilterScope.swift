// What a handle of a filter names on a worker: the filter on this worker, its place in the chain of one
// stream or connection, or what a format operator writes for. All may ask for what their plugin has defined;
// all but the last have timers and can be woken.
import CMartletABI
import CMartletBlame
import Model

class FilterScope {
  enum Kind { case worker, connection, stream, format }
  final let kind: Kind
  unowned(unsafe) let context: WorkerContext
  /// Nil: a filter of the proxy's own.
  final let plugin: PluginRuntime?
  /// The plugin's, for what happens many times a request.
  final let tables: UnsafeMutablePointer<PluginRuntime.Tables>?
  /// The filter's name in the configuration, for logs.
  let name: String
  final var handle = Handle.none
  private var timers: [FilterTimer?] = []
  /// Acts are not possible any more; facts can still be asked for.
  final var isEnding = false

  init(kind: Kind, context: WorkerContext, plugin: PluginRuntime?, name: String) {
    self.kind = kind
    self.context = context
    self.plugin = plugin
    tables = plugin?.tables
    self.name = name
  }

  static let timerCount: UInt32 = 8
  /// More is a mistake: about 35 years.
  static let longestTimer: UInt64 = 1 << 40

  /// False: no hook would hear of them.
  var takesTimers: Bool { false }
  func timerDue(_ timer: UInt32) {}
  func woken(_ token: UInt64) {}

  // Facts. A filter's worker scope has none.
  /// False: there is no such fact.
  func text(_ attribute: martlet_text_attribute, to out: TextBuffer) -> Bool { false }
  func number(_ attribute: martlet_number_attribute) -> UInt64? { nil }
  var storedView: StoredView { StoredView() }
  func storedForWriting() -> StoredData? { nil }
  /// False: there is nothing that has flags.
  func note(_ flag: ResponseFlags) -> Bool { false }
  /// False: there is nothing to write a format of.
  func withFormatContext(_ body: (inout FormatContext) -> Void) -> Bool { false }
  /// Nil: it has ended.
  var downstream: Connection? { nil }
  /// The filter in the configuration. Nil: one of the proxy's own.
  var filterBinding: FilterBinding? { nil }
  /// A copy that lasts as long as the stream or connection.
  func keep(_ view: ByteView) -> ByteView { view }

  /// `set_timer`.
  final func setTimer(_ number: UInt32, milliseconds: UInt64) -> martlet_status {
    guard number < FilterScope.timerCount, milliseconds <= FilterScope.longestTimer else {
      return MARTLET_E_ARGUMENT
    }
    guard takesTimers, !isEnding else { return MARTLET_E_STATE }
    let wheel = context.reactor.timers
    while timers.count <= Int(number) { timers.append(nil) }
    let timer = timers[Int(number)] ?? FilterTimer(self, number)
    timers[Int(number)] = timer
    wheel.cancel(&timer.id)
    if milliseconds > 0 { timer.id = wheel.add(timer, at: context.reactor.now &+ milliseconds &* 1_000_000) }
    return MARTLET_OK
  }

  final func cancelTimers() {
    if timers.isEmpty { return }
    for timer in timers { if let timer { context.reactor.timers.cancel(&timer.id) } }
  }
}

/// One of a scope's timers.
private final class FilterTimer: TimerTarget {
  private unowned let scope: FilterScope
  private let number: UInt32
  var id = TimerID.none

  init(_ scope: FilterScope, _ number: UInt32) {
    self.scope = scope
    self.number = number
  }

  override func timerFired(now: UInt64) {
    id = .none
    scope.timerDue(number)
  }
}

/// A filter of the configuration on one worker: the plugin's worker scope.
final class FilterOnWorker: FilterScope {
  typealias WorkerCreate =
    @convention(c) (UnsafeMutableRawPointer?, martlet_handle) -> UnsafeMutableRawPointer?
  struct Hooks {
    var create: WorkerCreate?
    var destroy: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
    var onTimer: (@convention(c) (UnsafeMutableRawPointer?, UInt32) -> Void)?
    var onWake: (@convention(c) (UnsafeMutableRawPointer?, UInt64) -> Void)?
  }
  let binding: FilterBinding
  private let hooks: Hooks
  private let handles: HandleTable
  private(set) var object: UnsafeMutableRawPointer?
  /// `worker_create` gave nothing: the filter takes no streams.
  private(set) var refused = false
  let counters: Counters<PluginStat>
  /// All calls into the filter on this worker, its streams' as well.
  let calls: PluginCalls

  init(
    binding: FilterBinding, hooks: Hooks, plugin: PluginRuntime, handles: HandleTable, context: WorkerContext
  ) {
    self.binding = binding
    self.hooks = hooks
    self.handles = handles
    calls = PluginCalls(binding.plugin, filter: binding.nameInChain, worker: context.index)
    counters = context.stats.counters(
      PluginStat.self, scope: .plugin(binding.plugin), worker: context.index)
    super.init(kind: .worker, context: context, plugin: plugin, name: binding.filterName)
    handle = handles.filters.insert(self)
    guard let create = hooks.create else { return }
    let handle = handle.rawValue
    object = calls.call(MARTLET_HOOK_WORKER_CREATE, about: nil) { create(binding.config, handle) }
    refused = object == nil
    if refused { context.log(.error, "filter", "\(binding.filterName) refused worker \(context.index)") }
  }

  /// Chains that it stands in.
  private var users = 0

  /// A chain takes it up.
  func retain() { users += 1 }

  /// A chain is gone, and with it all streams that it had. With the last one the scope ends.
  func release() {
    users -= 1
    if users == 0 { end() }
  }

  private func end() {
    guard !isEnding else { return }
    isEnding = true
    cancelTimers()
    if let object, let hook = hooks.destroy {
      calls.call(MARTLET_HOOK_WORKER_DESTROY, about: nil) { hook(object) }
    }
    object = nil
    handles.forget(self)
    handles.filters.remove(handle)
  }

  override var takesTimers: Bool { hooks.onTimer != nil }
  override func timerDue(_ timer: UInt32) {
    guard let object, let hook = hooks.onTimer else { return }
    calls.call(MARTLET_HOOK_ON_WORKER_TIMER, about: nil) { hook(object, timer) }
  }
  override func woken(_ token: UInt64) {
    guard let object, let hook = hooks.onWake else { return }
    calls.call(MARTLET_HOOK_ON_WORKER_WAKE, about: nil) { hook(object, token) }
  }
}

extension StatValue.Scope {
  /// `plugin.<id>.<first digits of the hash>.`
  static func plugin(_ version: PluginVersion) -> StatValue.Scope {
    .other("plugin.\(version.id).\(version.hash.prefix(12)).")
  }
}

/// Of one version of a plugin.
enum PluginStat: Int, StatSchema {
  case streamsTotal, streamsActive
  var name: String { self == .streamsTotal ? "streams_total" : "streams_active" }
  var kind: StatValue.Kind { self == .streamsActive ? .gauge : .counter }
}
