// The rules of the upgrade, by message. A rule changes the entries of one mapping.

enum UpgradeRules {
  typealias Entries = [ConfigurationNode.Entry]

  static func apply(to entries: inout Entries, of message: String, in scope: Scope) {
    switch message {
    case "envoy.config.cluster.v3.Cluster": cluster(&entries, in: scope)
    default: break
    }
  }

  /// Renames a field; true where it was there.
  @discardableResult
  static func rename(_ old: String, to new: String, _ entries: inout Entries, in scope: Scope) -> Bool {
    guard let index = index(of: old, entries) else { return false }
    scope.changed("`\(old)` is now `\(new)`", entries[index])
    entries[index].key = new
    return true
  }

  static func index(of name: String, _ entries: Entries) -> Int? {
    let camel = FieldSchema.camelCase(name)
    return entries.firstIndex { $0.key == name || $0.key == camel }
  }

  static func has(_ name: String, _ entries: Entries) -> Bool { index(of: name, entries) != nil }
}
