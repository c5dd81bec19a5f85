// A field that the table calls supported must do something, and one that it calls "no effect"
// must do nothing. The inputs in Inputs/effects hold every field; each occurrence is taken away
// in turn (or, where it may not be absent, changed), and the model looked at.

import Model
import Testing

@testable import EnvoyConfiguration

@Suite struct SupportedFieldTests {
  /// One occurrence of a field in an input.
  private struct Occurrence {
    var key: String
    var path: [Int]
    var field: FieldSchema
    var isRequired: Bool
  }

  private static func run(_ node: ConfigurationNode) -> ProxyConfiguration? {
    var options = ConfigurationLoader.Options()
    options.catalog = TestCatalog.shared
    let load = Load(options: options)
    _ = load.begin(file: "test")
    load.add(node)
    return try? load.finish().configuration
  }

  private static func occurrences(
    _ node: ConfigurationNode, _ schema: MessageSchema, _ path: [Int], _ store: SchemaStore
  ) -> [Occurrence] {
    var found: [Occurrence] = []
    for (index, entry) in (node.entries ?? []).enumerated() {
      guard let field = schema.field(named: entry.key) else { continue }
      let rules = field.rules
      let isRequired =
        rules.required || rules.minLength > 0 || rules.minItems > 0 || rules.hasAtLeast
        || !rules.extensions.isEmpty || field.oneof.map { schema.oneofs[$0].isRequired } == true
      found.append(
        Occurrence(
          key: "\(schema.name).\(field.name)", path: path + [index], field: field,
          isRequired: isRequired))
      guard case .message(let name) = field.kind, field.wrapped == nil,
        let inner = store.message(name)
      else { continue }
      found += values(entry.value, inner, path + [index], store)
    }
    return found
  }

  private static func values(
    _ node: ConfigurationNode, _ schema: MessageSchema, _ path: [Int], _ store: SchemaStore
  ) -> [Occurrence] {
    if let elements = node.elements {
      return elements.enumerated().flatMap { values($1, schema, path + [$0], store) }
    }
    if schema.isMapEntry, case .message(let name)? = schema.field(named: "value")?.kind,
      let inner = store.message(name)
    {
      return (node.entries ?? []).enumerated().flatMap {
        values($1.value, inner, path + [$0], store)
      }
    }
    if schema.name == "google.protobuf.Any" {
      guard let type = node["@type"]?.text,
        let inner = store.message(String(SchemaWalker.typeName(of: type)))
      else { return [] }
      return occurrences(node, inner, path, store)
    }
    let isOurs = ["envoy.", "martlet.", "xds."].contains { schema.name.hasPrefix($0) }
    return isOurs ? occurrences(node, schema, path, store) : []
  }

  /// The tree with the value at the path changed, or without it where `change` gives nil.
  private static func edited(
    _ node: ConfigurationNode, _ path: ArraySlice<Int>,
    _ change: (ConfigurationNode) -> ConfigurationNode?
  ) -> ConfigurationNode {
    var node = node
    guard let index = path.first else { return change(node) ?? node }
    switch node.content {
    case .mapping(var entries):
      if path.count == 1 {
        if let value = change(entries[index].value) {
          entries[index].value = value
        } else {
          entries.remove(at: index)
        }
      } else {
        entries[index].value = edited(entries[index].value, path.dropFirst(), change)
      }
      node.content = .mapping(entries)
    case .sequence(var elements):
      elements[index] = edited(elements[index], path.dropFirst(), change)
      node.content = .sequence(elements)
    default: break
    }
    return node
  }

  /// Another value of the same kind.
  private static func other(_ value: ConfigurationNode) -> ConfigurationNode {
    guard case .scalar(let scalar) = value.content else { return value }
    if let number = Int(scalar.text) {
      return ConfigurationNode(
        .scalar(.init(text: "\(number + 1)", isQuoted: false)), at: value.position)
    }
    return .text(scalar.text + "x", at: value.position)
  }

  private static func hasEffect(
    _ occurrence: Occurrence, in tree: ConfigurationNode, _ whole: ProxyConfiguration
  ) -> Bool {
    if let without = run(edited(tree, occurrence.path[...]) { _ in nil }) {
      return without != whole
    }
    guard occurrence.isRequired else { return true }
    // It may not be absent, which says nothing of its effect; so a scalar is changed. A message
    // that must be there is as its fields are.
    let rules = occurrence.field.rules
    if case .message = occurrence.field.kind, occurrence.field.wrapped == nil {
      return rules.noEffect.isEmpty
    }
    if occurrence.field.isRepeated { return true }
    return run(edited(tree, occurrence.path[...], other)) != whole
  }

  @Test func everyFieldDoesWhatTheTableSays() throws {
    let store = SchemaStore()
    var effects: [String: Bool] = [:]
    var fields: [String: FieldSchema] = [:]
    for name in ["bootstrap", "clusters", "monitor", "listener", "http", "logs", "filters"] {
      var text = try input("effects/\(name).yaml")
      let tree = try text.withUTF8 { try YAMLReader.read(UnsafeRawBufferPointer($0), file: 0) }
      let whole = try #require(Self.run(tree), "\(name).yaml does not load")
      for occurrence in Self.occurrences(
        tree, store.required("envoy.config.bootstrap.v3.Bootstrap"), [], store)
      {
        fields[occurrence.key] = occurrence.field
        if effects[occurrence.key] != true {
          effects[occurrence.key] = Self.hasEffect(occurrence, in: tree, whole)
        }
      }
    }
    for name in store.messageNames {
      for field in store.required(name).fields {
        let key = "\(name).\(field.name)"
        guard let effect = effects[key] else {
          #expect(Self.unreachable.contains(key), "no input has \(key)")
          continue
        }
        // Where one value is taken, that is the default, and it cannot have an effect.
        if !field.rules.only.isEmpty { continue }
        if Self.checkedOnly.contains(key) { continue }
        #expect(
          effect == field.rules.noEffect.isEmpty,
          "\(key) \(effect ? "has an effect" : "has no effect")")
      }
    }
  }

  /// Fields of messages that no field of ours has yet.
  private static let unreachable: Set<String> = []

  /// Enums of which one value is taken: they only refuse the others. Names that are checked.
  private static let checkedOnly: Set<String> = [
    // A limit that is checked at load.
    "envoy.type.matcher.v3.RegexMatcher.google_re2",
    "envoy.type.matcher.v3.RegexMatcher.GoogleRE2.max_program_size",
    // Plain TCP is what there is without it.
    "envoy.config.cluster.v3.Cluster.transport_socket",
    "envoy.config.listener.v3.FilterChain.transport_socket",
    // The upgrade puts it back where the name is known.
    "envoy.config.core.v3.TransportSocket.typed_config",
    // There is one predicate, and its message has no fields: that it stands there is the effect.
    "envoy.config.route.v3.RetryPolicy.RetryHostPredicate.typed_config",
  ]
}
