// The counts of calls into plugins, as the control side reads them: see CMartletBlame.h.
import CMartletBlame
import Model

/// One thread's calls into one filter. The memory is never freed.
struct PluginTally {
  private let tally: UnsafePointer<martlet_tally>

  init(_ tally: UnsafePointer<martlet_tally>) { self.tally = tally }

  static let hooks = 0..<UInt32(MARTLET_HOOKS)

  /// Every thread's of every filter.
  static var all: [PluginTally] {
    var found: [PluginTally] = []
    var next = martlet_tally_next(nil)
    while let tally = next {
      found.append(PluginTally(tally))
      next = martlet_tally_next(tally)
    }
    return found
  }

  /// What holds for each plugin from now on.
  static func limit(by policies: PluginPolicies) {
    var next = martlet_tally_next(nil)
    while let tally = next {
      let policy = policies[PluginTally(tally).plugin]
      martlet_tally_limit(
        tally, UInt64(policy.callBudget / .nanoseconds(1)), UInt64(policy.stuckAfter / .nanoseconds(1)))
      next = martlet_tally_next(tally)
    }
    // It sleeps by the budgets that were.
    martlet_watch_wake()
  }

  var address: UInt { UInt(bitPattern: tally) }
  /// Otherwise it is of filters of the proxy's own.
  var hasPlugin: Bool { tally.pointee.plugin != nil }
  var plugin: String { tally.pointee.plugin.map { String(cString: $0) } ?? "" }
  var version: String { String(cString: tally.pointee.version) }
  var hash: String { String(cString: tally.pointee.hash) }
  /// By its name in the chain; empty: the plugin's own functions.
  var filter: String { String(cString: tally.pointee.filter) }
  /// Nanoseconds.
  var budget: UInt64 { martlet_tally_budget(tally) }
  var stuckAfter: UInt64 { martlet_tally_stuck_after(tally) }

  func calls(_ hook: UInt32) -> UInt64 { martlet_tally_calls(tally, hook) }
  /// Nanoseconds.
  func time(_ hook: UInt32) -> UInt64 { martlet_tally_time(tally, hook) }
  func over(_ hook: UInt32) -> UInt64 { martlet_tally_over(tally, hook) }
  func longest(_ hook: UInt32) -> UInt64 { martlet_tally_longest(tally, hook) }
  func bytes(_ hook: UInt32) -> UInt64 { martlet_tally_bytes(tally, hook) }

  static func name(of hook: UInt32) -> String { String(cString: martlet_hook_name(hook)) }

  /// For people: `plugin com.example.a 1.0.0 (9f86d081884c), filter a, on_data`.
  func name(of hook: UInt32) -> String {
    let place = filter.isEmpty ? "" : "filter \(filter), "
    return "plugin \(plugin) \(version) (\(hash.prefix(12))), \(place)\(Self.name(of: hook))"
  }
}
