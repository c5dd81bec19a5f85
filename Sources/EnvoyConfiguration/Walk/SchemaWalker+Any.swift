// google.protobuf.Any: an extension with `@type`. The type is looked up among the messages of
// the field's category, so that a listener filter in a network filter's place is found here.
//
// Two older forms carry the configuration as a Struct and are read the same way:
// `google.protobuf.Struct` (the type then follows from the extension's name) and TypedStruct of
// udpa or xds (the type stands in `type_url`).

extension SchemaWalker {
  private static let typedStructs: Set<Substring> = [
    "udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct",
  ]

  /// An Any, or nil where the extension is not known.
  func anyMessage(
    _ node: ConfigurationNode, category: String, name: String?, at place: Place
  ) -> WireWriter? {
    guard let entries = node.entries else {
      diagnostics.error("expected a mapping with `@type`, found \(node.summary)", at: place)
      return nil
    }
    // `config: {}` of a FilterConfig turns a filter on, as in Envoy.
    if entries.isEmpty, category == PluginSchemas.routeCategory { return WireWriter() }
    guard let type = node["@type"] else {
      let known = store.extensions(in: category).filter { $0.extensionName == name }
      let hint = known.first.map { ": \"type.googleapis.com/\($0.name)\"" } ?? ""
      diagnostics.error(
        "expected `@type` with the name of the extension's message\(hint)", at: place)
      return nil
    }
    guard let url = type.text else {
      diagnostics.error(
        "expected text, found \(type.summary)", at: place.beside(field: "@type", at: type.position))
      return nil
    }
    let isOptional = isOptional
    let typeName = Self.typeName(of: url)
    let rest = entries.filter { $0.key != "@type" }
    if typeName == "google.protobuf.Struct" {
      return untyped(rest, category: category, name: name, isOptional: isOptional, in: node, at: place)
    }
    if Self.typedStructs.contains(typeName) {
      return typedStruct(rest, category: category, isOptional: isOptional, in: node, at: place)
    }
    let inner = ConfigurationNode(.mapping(rest), at: node.position)
    return message(
      inner, type: typeName, category: category, isOptional: isOptional, at: place,
      typePlace: place.beside(field: "@type", at: type.position))
  }

  /// One of our own messages, or of a plugin's.
  private func message(
    _ node: ConfigurationNode, type: Substring, category: String, isOptional: Bool, at place: Place,
    typePlace: Place
  ) -> WireWriter? {
    let isOurs = store.extensions(in: category).contains { $0.name == type }
    if !isOurs, let found = pluginMessage(node, type: type, category: category, at: place) { return found }
    if !isOurs, isOptional, PluginSchemas.categories[category] != nil {
      diagnostics.warning(
        "nothing here knows the type `\(type)`; it is optional and passed over", at: typePlace)
      return missing(type)
    }
    guard let schema = known(type, category: category, at: typePlace) else { return nil }
    return packed(node, schema, at: place)
  }

  static func typeName(of url: String) -> Substring { url.split(separator: "/").last ?? "" }

  private func packed(_ node: ConfigurationNode, _ schema: MessageSchema, at place: Place)
    -> WireWriter
  {
    var writer = WireWriter()
    writer.data(1, "type.googleapis.com/\(schema.name)".utf8)
    writer.message(2, message(node, schema, at: place))
    return writer
  }

  /// The schema of an extension, where it belongs into the category.
  private func known(_ name: Substring, category: String, at place: Place) -> MessageSchema? {
    let schemas = store.extensions(in: category)
    if let schema = schemas.first(where: { $0.name == name }) { return schema }
    if let other = store.message(String(name)), !other.category.isEmpty {
      diagnostics.error(
        "`\(name)` is an extension of the category \(other.category); expected one of \(category)",
        at: place)
    } else {
      let names = schemas.map(\.name) + (plugins?.typeNames(in: category) ?? [])
      let near = Suggestion.nearest(to: String(name), among: names).map {
        "; did you mean `\($0)`?"
      }
      let list = names.isEmpty ? "" : "; known here: \(names.joined(separator: ", "))"
      let catalog = PluginSchemas.categories[category] == nil ? nil : plugins?.catalog
      // A plugin that would have it may be there and not be usable, or lie elsewhere.
      var also = ""
      if let refused = catalog?.refusals, !refused.isEmpty {
        also += "; not loaded: \(refused.joined(separator: "; "))"
      }
      if let folders = catalog?.folders, near == nil, !folders.isEmpty {
        also += "; no plugin for it in \(folders.joined(separator: ", "))"
      }
      diagnostics.error(
        "the extension type `\(name)` is not supported\(near ?? list)\(also)", at: place)
    }
    return nil
  }

  private func untyped(
    _ entries: [ConfigurationNode.Entry], category: String, name: String?, isOptional: Bool,
    in node: ConfigurationNode,
    at place: Place
  ) -> WireWriter? {
    // `value` is the mapping's own form; older files write the fields beside `@type`.
    let inner =
      entries.count == 1 && entries[0].key == "value" && entries[0].value.entries != nil
      ? entries[0].value : ConfigurationNode(.mapping(entries), at: node.position)
    let ours = store.extensions(in: category).first { $0.extensionName == name }
    if ours == nil, let found = pluginMessage(inner, name: name, category: category, at: place) {
      return found
    }
    guard let schema = ours else {
      if isOptional, PluginSchemas.categories[category] != nil {
        diagnostics.warning(
          "nothing here knows the extension `\(name ?? "")`; it is optional and passed over", at: place)
        return missing("")
      }
      diagnostics.error(
        "a google.protobuf.Struct says no type, and `\(name ?? "")` is not the name of a known extension",
        at: place)
      return nil
    }
    diagnostics.warning(
      "google.protobuf.Struct is deprecated; use \"type.googleapis.com/\(schema.name)\"", at: place)
    return packed(inner, schema, at: place)
  }

  private func typedStruct(
    _ entries: [ConfigurationNode.Entry], category: String, isOptional: Bool, in node: ConfigurationNode,
    at place: Place
  ) -> WireWriter? {
    var url: String?
    var value = ConfigurationNode(.mapping([]), at: node.position)
    for entry in entries {
      switch entry.key {
      case "type_url", "typeUrl": url = entry.value.text
      case "value": value = entry.value
      default:
        diagnostics.error(
          "`\(entry.key)` is not a field of TypedStruct; its fields are `type_url`, `value`",
          at: place.beside(field: entry.key, at: entry.position))
      }
    }
    guard let url else {
      diagnostics.error("expected `type_url` with the name of the extension's message", at: place)
      return nil
    }
    return message(
      value, type: Self.typeName(of: url), category: category, isOptional: isOptional, at: place,
      typePlace: place)
  }
}
