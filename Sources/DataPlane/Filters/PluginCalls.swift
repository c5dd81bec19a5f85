// Every call of a worker into a filter goes through here: what it costs is counted, and for as long as it
// lasts the thread's slot says whose code is running, for the crash report and the watchdog.
import CMartletBlame
import Model

/// The calls of one worker into one filter. A value; the memory is never freed.
struct PluginCalls {
  private let tally: UnsafeMutablePointer<martlet_tally>

  /// Of a plugin's filter. `name`: as the chain has it.
  init(_ version: PluginVersion, filter name: String, worker: Int) {
    tally = martlet_tally_find(Int64(worker), version.id, version.version, version.hash, name)
  }

  /// Of the proxy's own filters, which nobody is told of: one a worker.
  init(ownOf worker: Int) { tally = martlet_tally_find(Int64(worker), nil, nil, nil, nil) }

  /// One of several calls about the same, between `martlet_scope_begin` and `martlet_scope_end`. `hook`: one
  /// of `MARTLET_HOOK_...`.
  @inline(__always)
  func callInScope<Result>(_ hook: UInt32, _ body: () -> Result) -> Result {
    let call = martlet_call_begin(tally, hook)
    let result = body()
    martlet_call_end(call)
    return result
  }

  /// A call by itself. `subject`: what it is about; it outlives the call.
  @inline(__always)
  func call<Result>(
    _ hook: Int32, about subject: UnsafePointer<martlet_subject>?, _ body: () -> Result
  ) -> Result {
    let scope = martlet_scope_begin(subject)
    let result = callInScope(UInt32(hook), body)
    martlet_scope_end(scope)
    return result
  }
}
