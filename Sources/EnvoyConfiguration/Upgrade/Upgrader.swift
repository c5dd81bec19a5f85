// Brings files of the v2 age to v3 before anything else looks at them: one warning per change.
//
// It goes down the tree beside the v3 descriptors, as the walk does, and applies the rules of
// each message: a field that v3 renamed, moved or gave another form. Only what has an exact
// v3 meaning is changed; the rest is left for the walk to refuse, with the reason from here
// where v3 does not know the name any more.

final class Upgrader {
  let store: SchemaStore
  let diagnostics: Diagnostics

  let allowsUnknownFields: Bool

  init(store: SchemaStore, diagnostics: Diagnostics, allowsUnknownFields: Bool) {
    self.store = store
    self.diagnostics = diagnostics
    self.allowsUnknownFields = allowsUnknownFields
  }

  func upgrade(_ node: ConfigurationNode, _ schema: MessageSchema, at place: Place)
    -> ConfigurationNode
  {
    guard var entries = node.entries else { return node }
    let scope = Scope(
      place: place, diagnostics: diagnostics, allowsUnknownFields: allowsUnknownFields)
    UpgradeRules.apply(to: &entries, of: schema, in: scope)
    extensionConfiguration(&entries, of: schema, in: scope)
    if scope.refusals.happened {
      let nothing = ConfigurationNode(.null, at: node.position)
      entries.append(.init(key: "", position: node.position, value: nothing, isRefused: true))
    }
    for index in entries.indices {
      guard let field = schema.field(named: entries[index].key) else { continue }
      let fieldPlace = place.beside(field: field.name, at: entries[index].position)
      entries[index].value = value(entries[index].value, field, at: fieldPlace)
    }
    return ConfigurationNode(.mapping(entries), at: node.position)
  }

  private func value(_ node: ConfigurationNode, _ field: FieldSchema, at place: Place)
    -> ConfigurationNode
  {
    guard case .message(let name) = field.kind, field.wrapped == nil else { return node }
    guard let schema = store.message(name) else { return node }
    if schema.isMapEntry {
      guard let entries = node.entries, let inner = schema.field(named: "value") else {
        return node
      }
      let upgraded = entries.map { entry in
        var copy = entry
        copy.value = value(entry.value, inner, at: place.beside(key: entry.key, at: entry.position))
        return copy
      }
      return ConfigurationNode(.mapping(upgraded), at: node.position)
    }
    if field.isRepeated, let elements = node.elements {
      let upgraded = elements.enumerated().map { index, element in
        single(element, schema, at: place.beside(element: index, at: element.position))
      }
      return ConfigurationNode(.sequence(upgraded), at: node.position)
    }
    return single(node, schema, at: place)
  }

  private func single(_ node: ConfigurationNode, _ schema: MessageSchema, at place: Place)
    -> ConfigurationNode
  {
    schema.name == "google.protobuf.Any"
      ? anyMessage(node, at: place) : upgrade(node, schema, at: place)
  }

  /// An extension: its type's v2 name becomes the v3 name, then its fields are upgraded.
  private func anyMessage(_ node: ConfigurationNode, at place: Place) -> ConfigurationNode {
    guard var entries = node.entries, let index = entries.firstIndex(where: { $0.key == "@type" }),
      let url = entries[index].value.text
    else { return node }
    var typeName = String(SchemaWalker.typeName(of: url))
    if let current = LegacyNames.types[typeName] {
      diagnostics.warning(
        "upgraded from v2: the type `\(typeName)` is now `\(current)`",
        at: place.beside(field: "@type", at: entries[index].position))
      entries[index].value = .text(
        "type.googleapis.com/\(current)", at: entries[index].value.position)
      typeName = current
    }
    guard let schema = store.message(typeName), !schema.category.isEmpty else {
      return ConfigurationNode(.mapping(entries), at: node.position)
    }
    let type = entries.remove(at: index)
    let upgraded = upgrade(
      ConfigurationNode(.mapping(entries), at: node.position), schema, at: place)
    return ConfigurationNode(.mapping([type] + (upgraded.entries ?? [])), at: node.position)
  }
}

/// What a rule works on: one message, its place, and where its warnings go.
struct Scope {
  let place: Place
  let diagnostics: Diagnostics
  let allowsUnknownFields: Bool
  let refusals = Refusals()

  /// Whether a field of the message was refused.
  final class Refusals {
    var happened = false
  }

  func changed(_ message: String, _ entry: ConfigurationNode.Entry) {
    diagnostics.warning(
      "upgraded from v2: " + message, at: place.beside(field: entry.key, at: entry.position))
  }

  /// A field that cannot be upgraded; its rule takes it away.
  func refused(_ message: String, _ entry: ConfigurationNode.Entry) {
    let at = place.beside(field: entry.key, at: entry.position)
    if allowsUnknownFields {
      diagnostics.warning(message + "; ignored", at: at)
    } else {
      diagnostics.error(message, at: at)
      refusals.happened = true
    }
  }
}
