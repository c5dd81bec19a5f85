// What holds for a plugin that takes long or crashes (`martlet.bootstrap.v1.Plugins`).

/// What holds for one plugin.
public struct PluginPolicy: Hashable, Sendable {
  public var crash = CrashPolicy()
  /// Wall time that one call may take. The default is a thousand times what a small request costs: that long
  /// every other connection of the worker has waited.
  public var callBudget = Duration.milliseconds(10)
  /// A call that lasts so long is logged while it lasts.
  public var stuckAfter = Duration.seconds(1)
  public init() {}
}

/// What becomes of a plugin's version in whose code the process has died.
public struct CrashPolicy: Hashable, Sendable {
  public enum Then: String, Hashable, Sendable {
    case failClosed = "FAIL_CLOSED"
    case failOpen = "FAIL_OPEN"
    case retry = "RETRY"
  }
  /// After so many crashes within `window` it is loaded again; after more, `then` holds.
  public var retries: UInt32 = 3
  public var window = Duration.seconds(600)
  public var then = Then.failClosed
  public init() {}

  /// Nil: it is loaded. `ages`: how long ago each of its crashes was.
  public func disables(crashedBefore ages: [Duration]) -> Then? {
    if then == .retry { return nil }
    return ages.count { $0 <= window } > Int(retries) ? then : nil
  }
}

/// Of all plugins.
public struct PluginPolicies: Hashable, Sendable {
  /// Of plugins that have none of their own.
  public var standard = PluginPolicy()
  public var own: [String: PluginPolicy] = [:]
  public init() {}

  public subscript(_ id: String) -> PluginPolicy { own[id] ?? standard }
}
