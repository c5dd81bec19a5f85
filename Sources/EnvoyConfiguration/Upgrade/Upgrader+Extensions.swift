// Extensions as v2 files write them: a well-known name in an older form, a `config` mapping
// without a type, or no configuration at all where the defaults would do.

extension Upgrader {
  /// Filters, transport sockets and their like: a message with `name` and `typed_config`.
  func extensionConfiguration(
    _ entries: inout [ConfigurationNode.Entry], of schema: MessageSchema, in scope: Scope
  ) {
    guard let typed = schema.field(named: "typed_config"), !typed.rules.extensions.isEmpty,
      schema.field(named: "name") != nil
    else { return }
    let name = upgradedName(&entries, in: scope)
    let known = store.extensions(in: typed.rules.extensions).first { $0.extensionName == name }
    if let index = entries.firstIndex(where: { $0.key == "config" }) {
      guard let known else {
        scope.refused(
          "`config` has no type, and \"\(name ?? "")\" is not the name of a known extension; use "
            + "`typed_config` with `@type`",
          entries[index])
        entries.remove(at: index)
        return
      }
      scope.changed("`config` is now `typed_config` with the type `\(known.name)`", entries[index])
      entries[index].value = typedConfiguration(entries[index], known)
      entries[index].key = "typed_config"
    } else if let known, let name = entries.first(where: { $0.key == "name" }),
      !entries.contains(where: {
        ["typed_config", "typedConfig", "config_discovery", "configDiscovery"].contains($0.key)
      })
    {
      scope.changed(
        "\"\(known.extensionName)\" without a configuration gets an empty `typed_config` of `\(known.name)`",
        name)
      entries.append(
        .init(key: "typed_config", position: name.position, value: typedConfiguration(name, known)))
    }
  }

  /// The name of the extension, brought to its v3 form.
  private func upgradedName(_ entries: inout [ConfigurationNode.Entry], in scope: Scope) -> String? {
    guard let index = entries.firstIndex(where: { $0.key == "name" }),
      let name = entries[index].value.text
    else { return nil }
    guard let current = LegacyNames.extensions[name] else { return name }
    scope.changed("the name \"\(name)\" is now \"\(current)\"", entries[index])
    entries[index].value = .text(current, at: entries[index].value.position)
    return current
  }

  private func typedConfiguration(_ entry: ConfigurationNode.Entry, _ schema: MessageSchema)
    -> ConfigurationNode
  {
    let type = ConfigurationNode.Entry(
      key: "@type", position: entry.position,
      value: .text("type.googleapis.com/\(schema.name)", at: entry.position))
    let fields = entry.key == "config" ? entry.value.entries ?? [] : []
    return ConfigurationNode(.mapping([type] + fields), at: entry.value.position)
  }
}
