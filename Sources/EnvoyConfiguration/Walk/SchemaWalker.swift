// Goes down a tree beside our descriptors, checks every value against the protobuf JSON mapping
// and the rules in the proto files, and writes what is right in the wire format. It collects
// every finding and never stops at one: a wrong value is left out and the walk goes on.
//
// The aspects stand in files of their own: messages and fields here, scalars, well-known types,
// extensions (Any) and rules beside it.

final class SchemaWalker {
  let store: SchemaStore
  let diagnostics: Diagnostics
  let allowsUnknownFields: Bool
  /// The category of the TypedExtensionConfig that is being read; its Any cannot say it itself.
  private var frameCategory = ""
  /// The message whose Any is read says that its type need not be known.
  private(set) var isOptional = false
  /// Nil: there are no plugins.
  let plugins: PluginSchemas?

  init(
    store: SchemaStore, diagnostics: Diagnostics, allowsUnknownFields: Bool, plugins: PluginSchemas? = nil
  ) {
    self.plugins = plugins
    self.store = store
    self.diagnostics = diagnostics
    self.allowsUnknownFields = allowsUnknownFields
  }

  /// Reads a mapping as a message. `place` is the message's own.
  func message(_ node: ConfigurationNode, _ schema: MessageSchema, at place: Place) -> WireWriter {
    var writer = WireWriter()
    place.location?.schema = schema
    guard let entries = node.entries else {
      diagnostics.error(
        "expected a mapping with the fields of \(schema.shortName), found \(node.summary)",
        at: place)
      return writer
    }
    var seen: [String: Int] = [:]
    var oneofs: [Int: FieldSchema] = [:]
    for entry in entries {
      if entry.isRefused {
        place.markRefusedField(meant: nil)
        continue
      }
      guard let field = schema.field(named: entry.key) else {
        notSupported(entry, in: schema, at: place)
        continue
      }
      if let line = seen[field.name] {
        diagnostics.error(
          "this field is already given on line \(line)",
          at: place.beside(field: field.name, at: entry.position))
        continue
      }
      seen[field.name] = entry.position.line
      // Null says nothing, as in the protobuf JSON mapping.
      if entry.value.isNull, !takesNull(field) { continue }
      if let oneof = field.oneof {
        if let other = oneofs[oneof] {
          diagnostics.error(
            "only one of `\(other.name)` and `\(field.name)` may be given",
            at: place.beside(field: field.name, at: entry.position))
          continue
        }
        oneofs[oneof] = field
      }
      self.field(entry, field, of: node, at: place, into: &writer)
    }
    return writer
  }

  private func takesNull(_ field: FieldSchema) -> Bool {
    field.kind == .message("google.protobuf.Value")
  }

  private func field(
    _ entry: ConfigurationNode.Entry, _ field: FieldSchema, of parent: ConfigurationNode,
    at place: Place, into writer: inout WireWriter
  ) {
    // A value often begins on the line after its key; the key's line is what a person looks for.
    let fieldPlace = place.enter(field: field.name, at: entry.position)
    let written = writer.bytes.count
    if field.isRepeated, let entryType = mapEntry(of: field) {
      map(entry.value, field, entryType, at: fieldPlace, into: &writer)
    } else if field.isRepeated {
      list(entry.value, field, at: fieldPlace, into: &writer)
    } else {
      let name = parent["name"]?.text
      let optional = parent["is_optional"] ?? parent["isOptional"]
      isOptional = optional?.text.flatMap { YAMLScalar.boolean($0) } ?? false
      value(entry.value, field, field.rules, extensionName: name, at: fieldPlace, into: &writer)
      if writer.bytes.count == written { fieldPlace.markBroken() }
    }
  }

  private func mapEntry(of field: FieldSchema) -> MessageSchema? {
    guard case .message(let name) = field.kind, let schema = store.message(name), schema.isMapEntry
    else { return nil }
    return schema
  }

  private func list(
    _ node: ConfigurationNode, _ field: FieldSchema, at place: Place, into writer: inout WireWriter
  ) {
    let elements: [ConfigurationNode]
    if let given = node.elements {
      elements = given
    } else {
      // Envoy's parser takes a single value for a list of one, and files rely on it.
      diagnostics.warning(
        "expected a list, found \(node.summary); taken as a list of one", at: place)
      elements = [node]
    }
    let rules = field.rules.hasItems ? field.rules.items : Martlet_FieldRules()
    var texts: [String: Int] = [:]
    for (index, element) in elements.enumerated() {
      let elementPlace = place.enter(element: index, at: element.position)
      if element.isNull {
        diagnostics.error("expected \(expectation(of: field)), found null", at: elementPlace)
        place.dropLastElement()
        continue
      }
      if field.rules.unique, let text = element.text {
        if let first = texts[text] {
          diagnostics.error(
            "`\(text)` stands in the list already, at index \(first)", at: elementPlace)
        }
        texts[text] = index
      }
      let written = writer.bytes.count
      value(element, field, rules, extensionName: nil, at: elementPlace, into: &writer)
      if writer.bytes.count == written { place.dropLastElement() }
    }
  }

  private func map(
    _ node: ConfigurationNode, _ field: FieldSchema, _ entryType: MessageSchema, at place: Place,
    into writer: inout WireWriter
  ) {
    guard let entries = node.entries else {
      diagnostics.error("expected a mapping, found \(node.summary)", at: place)
      return
    }
    guard let keyField = entryType.field(named: "key"),
      let valueField = entryType.field(named: "value")
    else { return }
    var seen: [String: Int] = [:]
    for entry in entries {
      if let line = seen[entry.key] {
        diagnostics.error(
          "this key is already given on line \(line)",
          at: place.beside(key: entry.key, at: entry.position))
        continue
      }
      seen[entry.key] = entry.position.line
      let entryPlace = place.enter(key: entry.key, at: entry.position)
      if entry.value.isNull {
        diagnostics.error("expected \(expectation(of: valueField)), found null", at: entryPlace)
        continue
      }
      // Every map of Envoy's configuration has text keys.
      var pair = WireWriter()
      pair.data(keyField.number, entry.key.utf8)
      let written = pair.bytes.count
      value(
        entry.value, valueField, field.rules, extensionName: entry.key, at: entryPlace, into: &pair)
      if pair.bytes.count == written { entryPlace.markBroken() }
      writer.message(field.number, pair)
    }
  }

  /// A single value, be it of a field, of a list or of a map.
  func value(
    _ node: ConfigurationNode, _ field: FieldSchema, _ rules: Martlet_FieldRules,
    extensionName: String?, at place: Place, into writer: inout WireWriter
  ) {
    guard case .message(let name) = field.kind else {
      scalar(node, field.kind, number: field.number, rules, at: place, into: &writer)
      return
    }
    if let wrapped = field.wrapped {
      wrapper(node, wrapped, number: field.number, rules, at: place, into: &writer)
      return
    }
    switch name {
    case "google.protobuf.Duration":
      if let duration = duration(node, rules, at: place) { writer.message(field.number, duration) }
    case "google.protobuf.Struct":
      writer.message(field.number, structure(node, at: place))
    case "google.protobuf.Value":
      writer.message(field.number, structureValue(node, at: place))
    case "google.protobuf.Any":
      let category = rules.extensions.isEmpty ? frameCategory : rules.extensions
      if let any = anyMessage(node, category: category, name: extensionName, at: place) {
        writer.message(field.number, any)
      }
    case "envoy.config.core.v3.TypedExtensionConfig":
      let outer = frameCategory
      frameCategory = rules.extensions
      writer.message(field.number, message(node, store.required(name), at: place))
      frameCategory = outer
    default:
      writer.message(field.number, message(node, store.required(name), at: place))
    }
  }

  /// A field that the message does not have, or has and is refused.
  private func notSupported(
    _ entry: ConfigurationNode.Entry, in schema: MessageSchema, at place: Place
  ) {
    let fieldPlace = place.beside(field: entry.key, at: entry.position)
    let text: String
    var meant: String?
    if let refused = schema.refusedField(named: entry.key) {
      if saysNothing(entry.value, refused) { return }
      text = "`\(refused.name)` is not supported: \(refused.because)"
    } else {
      meant = diagnostics.isFull ? nil : Suggestion.nearest(to: entry.key, among: schema.knownNames)
      text =
        "`\(entry.key)` is not a field of \(schema.shortName)"
        + suggestion(meant, among: schema.knownNames)
    }
    if allowsUnknownFields {
      diagnostics.warning(text + "; ignored", at: fieldPlace)
    } else {
      diagnostics.error(text, at: fieldPlace)
      // One that was meant and is refused as well may be one side of a choice.
      place.markRefusedField(meant: meant.flatMap { schema.field(named: $0) == nil ? nil : $0 })
    }
  }

  /// True for a value that is the same as leaving the field out.
  private func saysNothing(_ value: ConfigurationNode, _ field: MessageSchema.RefusedField) -> Bool {
    switch value.content {
    case .null: return true
    case .sequence(let elements): return elements.isEmpty
    case .mapping: return false
    case .scalar(let scalar):
      if scalar.text.isEmpty { return true }
      let text = YAMLScalar.boolean(scalar.text).map { $0 ? "true" : "false" } ?? scalar.text
      return field.accepts.contains { $0.lowercased() == text.lowercased() }
    }
  }

  private func suggestion(_ near: String?, among known: [String]) -> String {
    if diagnostics.isFull { return "" }
    if let near { return "; did you mean `\(near)`?" }
    if known.isEmpty { return "; it has no fields" }
    if known.count <= 6 {
      return "; its fields are \(known.map { "`\($0)`" }.joined(separator: ", "))"
    }
    return ""
  }
}
