// What holds for plugins that take long or crash, of the bootstrap's extension. It is needed before the
// rest of the file is read: a plugin that has crashed too often is not loaded.

internal import Model
internal import SwiftProtobuf

extension SchemaWalker {
  /// What `bootstrap_extensions` says of it; nil: nothing. What is wrong there is found by the walk itself.
  /// `files`: the names of the load's files, of which the root is one.
  static func pluginPolicies(
    _ root: ConfigurationNode, _ store: SchemaStore, files: [String]
  ) -> PluginPolicies? {
    let extensions = root["bootstrap_extensions"] ?? root["bootstrapExtensions"]
    var found: PluginPolicies?
    for item in extensions?.elements ?? [] {
      let type = Martlet_Bootstrap_V1_Plugins.protoMessageName
      guard let config = item["typed_config"] ?? item["typedConfig"], let url = config["@type"]?.text,
        typeName(of: url) == type
      else { continue }
      let scratch = Diagnostics()
      scratch.files = files
      let wire = SchemaWalker(store: store, diagnostics: scratch, allowsUnknownFields: true)
        .message(
          config, store.required(type), at: Place(root: Location(at: SourcePosition(file: 0, line: 1))))
      guard let message = try? Martlet_Bootstrap_V1_Plugins(serializedBytes: wire.bytes) else { continue }
      found = PluginPolicies(message)
    }
    return found
  }
}

extension PluginPolicies {
  init(_ message: Martlet_Bootstrap_V1_Plugins) {
    self.init()
    standard = PluginPolicy(message.defaultPolicy, over: PluginPolicy())
    own = message.policies.mapValues { PluginPolicy($0, over: standard) }
  }
}

extension PluginPolicy {
  fileprivate init(_ message: Martlet_Bootstrap_V1_Plugins.Policy, over base: PluginPolicy) {
    self = base
    if message.hasCallBudget { callBudget = Duration(message.callBudget) }
    if message.hasStuckAfter { stuckAfter = Duration(message.stuckAfter) }
    guard message.hasOnCrash else { return }
    crash = CrashPolicy()
    if message.onCrash.hasRetries { crash.retries = message.onCrash.retries.value }
    if message.onCrash.hasWindow { crash.window = Duration(message.onCrash.window) }
    switch message.onCrash.then {
    case .failOpen: crash.then = .failOpen
    case .retry: crash.then = .retry
    case .failClosed, .UNRECOGNIZED: crash.then = .failClosed
    }
  }
}
