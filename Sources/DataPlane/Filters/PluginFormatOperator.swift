// An operator of a plugin in a compiled format of one worker: how the plugin is asked for its value.
import CMartletABI
import CMartletBlame
import Model

final class PluginFormatOperator: FormatOperatorRuntime {
  private let binding: FormatOperatorBinding
  private let table: UnsafePointer<martlet_format_operator>
  /// The formatter on this worker.
  private let scope: FilterOnWorker
  private let format: FormatScope
  private let services: UnsafePointer<martlet_host_http>?

  init(_ binding: FormatOperatorBinding, handles: HandleTable, context: WorkerContext) {
    self.binding = binding
    table = binding.formatter.table.assumingMemoryBound(to: martlet_format_operator.self)
    let hooks = FilterOnWorker.Hooks(
      create: table.pointee.worker_create, destroy: table.pointee.worker_destroy,
      onTimer: table.pointee.on_worker_timer, onWake: table.pointee.on_worker_wake)
    scope = handles.filter(binding.formatter, hooks, context)
    format = FormatScope(handles: handles, context: context, plugin: scope.plugin, name: "%\(binding.name)%")
    services = PluginTables.table("martlet.host.http/1")?.assumingMemoryBound(to: martlet_host_http.self)
    super.init()
    scope.retain()
  }

  deinit { scope.release() }

  /// On a worker's thread. Nil: on any other.
  static func make(_ binding: FormatOperatorBinding) -> FormatOperatorRuntime? {
    guard let handles = HandleTable.current, let context = handles.context else { return nil }
    return PluginFormatOperator(binding, handles: handles, context: context)
  }

  /// Whatever the plugin's own formats need, and what only a system call tells while the connection stands.
  override var needs: FormatNeeds { (scope.plugin?.formatNeeds ?? []).union(.downstreamLocal) }

  override func write(_ context: UnsafeMutablePointer<FormatContext>, to out: TextBuffer) -> Bool {
    if scope.refused { return false }
    let outer = format.begin(context)
    defer { format.end(outer) }
    var value = martlet_bytes()
    var subject = Self.subject(context)
    let status = scope.calls.call(MARTLET_HOOK_WRITE, about: &subject) {
      table.pointee.write(binding.use, scope.object, services, format.handle.rawValue, &value)
    }
    guard status == MARTLET_OK else { return false }
    out.append(view(value))
    return true
  }

  /// What the format is written for.
  private static func subject(_ context: UnsafeMutablePointer<FormatContext>) -> martlet_subject {
    var subject = martlet_subject()
    subject.connection = context.pointee.connection?.connectionID ?? 0
    guard let request = context.pointee.request else { return subject }
    let (method, authority, path) = (request.methodText, request.authority, request.path)
    (subject.method, subject.method_size) = (method.base, UInt64(method.count))
    (subject.authority, subject.authority_size) = (authority.base, UInt64(authority.count))
    (subject.path, subject.path_size) = (path.base, UInt64(path.count))
    return subject
  }
}
