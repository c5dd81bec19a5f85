// Plugins that a bootstrap names by their files: read before anything else of the file, for what stands
// below may be theirs.

internal import Model
internal import SwiftProtobuf

extension SchemaWalker {
  /// The files that `bootstrap_extensions` names, with the place of each. What is wrong with them is found
  /// by the walk itself.
  static func pluginReferences(
    _ root: ConfigurationNode
  ) -> [(reference: PluginReference, path: String, position: SourcePosition)] {
    let extensions = root["bootstrap_extensions"] ?? root["bootstrapExtensions"]
    var found: [(PluginReference, String, SourcePosition)] = []
    for (number, item) in (extensions?.elements ?? []).enumerated() {
      let config = item["typed_config"] ?? item["typedConfig"]
      guard let config, let type = config["@type"]?.text, typeName(of: type) == "martlet.bootstrap.v1.Plugins"
      else {
        continue
      }
      for (index, plugin) in (config["plugins"]?.elements ?? []).enumerated() {
        guard let path = plugin["path"]?.text, !path.isEmpty else { continue }
        found.append(
          (
            PluginReference(path: path, sha256: plugin["sha256"]?.text ?? ""),
            "bootstrap_extensions[\(number)].typed_config.plugins[\(index)]", plugin.position
          ))
      }
    }
    return found
  }
}

/// What an extension of the bootstrap gives. The plugins that it names have been loaded when it is converted.
enum BootstrapExtensionKind { case plugins(PluginPolicies) }

typealias BootstrapExtension = ConfigurationExtension<BootstrapExtensionKind>

extension ConfigurationExtension where Output == BootstrapExtensionKind {
  /// The category `envoy.bootstrap`.
  static var all: [Self] {
    [
      Self(Martlet_Bootstrap_V1_Plugins.self) { message, conversion, place in
        for (index, plugin) in message.plugins.enumerated() {
          let digits = plugin.sha256.utf8
          let isDigest =
            digits.count == 64
            && digits.allSatisfy {
              (48...57).contains($0) || (97...102).contains($0) || (65...70).contains($0)
            }
          if !digits.isEmpty, !isDigest {
            conversion.error(
              "expected 64 hexadecimal digits", at: place.field("plugins").element(index).field("sha256"))
          }
        }
        for id in message.policies.keys.sorted() where conversion.plugins?.has(plugin: id) != true {
          conversion.warning(
            "no plugin of the id \"\(id)\" is loaded", at: place.field("policies").key(id))
        }
        return .plugins(PluginPolicies(message))
      }
    ]
  }
}
