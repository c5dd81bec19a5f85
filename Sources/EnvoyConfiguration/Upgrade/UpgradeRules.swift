// The rules of the upgrade, by message. A rule changes the entries of one mapping and gives one
// warning for each change. The rules of each area stand in a file of their own.

enum UpgradeRules {
  typealias Entries = [ConfigurationNode.Entry]

  static func apply(to entries: inout Entries, of schema: MessageSchema, in scope: Scope) {
    switch schema.name {
    case "envoy.config.bootstrap.v3.Bootstrap": bootstrap(&entries, in: scope)
    case "envoy.config.core.v3.Node": node(&entries, in: scope)
    case "envoy.config.cluster.v3.Cluster": cluster(&entries, in: scope)
    case "envoy.config.listener.v3.Listener": listener(&entries, in: scope)
    case "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager":
      connectionManager(&entries, in: scope)
    case "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": tcpProxy(&entries, in: scope)
    default: break
    }
    removed(&entries, from: schema, in: scope)
  }

  /// Fields that v3 does not have any more and that nothing here can stand for.
  private static func removed(_ entries: inout Entries, from schema: MessageSchema, in scope: Scope) {
    guard let reasons = LegacyNames.removedFields[schema.name] else { return }
    entries.removeAll { entry in
      guard schema.field(named: entry.key) == nil,
        let reason = reasons.first(where: {
          $0.key == entry.key || FieldSchema.camelCase($0.key) == entry.key
        })
      else { return false }
      // Null, an empty list and false say what leaving the field out says.
      if entry.value.isNull || entry.value.elements?.isEmpty == true || entry.value.text == "false" {
        return true
      }
      scope.refused("`\(reason.key)` of the v2 API is not supported: \(reason.value)", entry)
      return true
    }
  }

  static func index(of name: String, _ entries: Entries) -> Int? {
    let camel = FieldSchema.camelCase(name)
    return entries.firstIndex { $0.key == name || $0.key == camel }
  }

  static func has(_ name: String, _ entries: Entries) -> Bool { index(of: name, entries) != nil }

  /// A mapping of one entry.
  static func mapping(_ key: String, _ value: ConfigurationNode) -> ConfigurationNode {
    ConfigurationNode(
      .mapping([.init(key: key, position: value.position, value: value)]), at: value.position)
  }

  static func list(_ values: [ConfigurationNode], at position: SourcePosition) -> ConfigurationNode {
    ConfigurationNode(.sequence(values), at: position)
  }
}
