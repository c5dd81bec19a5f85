// Every call of the control thread into a plugin goes through here: it is counted and timed, and the thread's
// slot says whose code is running, for the crash report and the watchdog. The workers' calls are
// DataPlane/Filters/PluginCalls.swift.
import CMartletBlame
import Model

/// The control thread's calls into one filter, or into a plugin itself. The memory is never freed.
struct ControlCalls {
  let tally: UnsafeMutablePointer<martlet_tally>

  /// Of the plugin's own functions; `filter`: of a filter's, by its name in the chain.
  init(_ version: PluginVersion, filter: String = "") {
    tally = martlet_tally_find(-1, version.id, version.version, version.hash, filter)
  }

  /// Of a file that has not said yet what it is: its path stands for its id.
  init(_ file: PluginFile) { tally = martlet_tally_find(-1, file.path, "(unknown version)", file.hash, "") }

  /// `hook`: one of `MARTLET_HOOK_...`.
  func call<Result>(_ hook: Int32, _ body: () -> Result) -> Result {
    let scope = martlet_scope_begin(nil)
    let call = martlet_call_begin(tally, UInt32(hook))
    defer {
      martlet_call_end(call)
      martlet_scope_end(scope)
    }
    return body()
  }
}
