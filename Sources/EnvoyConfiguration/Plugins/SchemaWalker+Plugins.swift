// Configurations of plugins' filters: checked by the descriptors that the plugin brings, or handed on as
// JSON.

internal import Model
internal import SwiftProtobuf

extension SchemaWalker {
  /// An Any for a plugin's filter. Nil: the type is not one of a plugin's.
  func pluginMessage(
    _ node: ConfigurationNode, type: Substring, category: String, at place: Place
  ) -> WireWriter? {
    guard let plugins, let filter = plugins.find(type: type, category: category) else { return nil }
    return packed(node, type: type, of: filter, at: place)
  }

  /// The same by the filter's usual name, where the file says no type. On a route the chain's name of the
  /// filter says what it is, which is not known here.
  func pluginMessage(
    _ node: ConfigurationNode, name: String?, category: String, at place: Place
  ) -> WireWriter? {
    guard let plugins, let (kind, isForRoute) = PluginSchemas.categories[category] else { return nil }
    if isForRoute { return json(node, type: "", filter: "", at: place) }
    guard let name, let filter = plugins.find(name: name, kind: kind) else { return nil }
    if filter.descriptors.isEmpty { return json(node, type: "", filter: filter.name, at: place) }
    guard let type = filter.typeNames.first else { return nil }
    return packed(node, type: type[...], of: filter, at: place)
  }

  private func packed(
    _ node: ConfigurationNode, type: Substring, of filter: FilterDescription, at place: Place
  ) -> WireWriter {
    do throws(PluginSchemas.PluginSchemaError) {
      guard let (schema, store) = try plugins?.schema(type, of: filter) else {
        return json(node, type: type, filter: filter.name, at: place)
      }
      let inner = SchemaWalker(
        store: store, diagnostics: diagnostics, allowsUnknownFields: allowsUnknownFields)
      var writer = WireWriter()
      writer.data(1, "\(PluginSchemas.prefix)protobuf/\(filter.name)/\(type)".utf8)
      writer.message(2, inner.message(node, schema, at: place))
      return writer
    } catch {
      diagnostics.error(
        "the descriptors of the plugin \(filter.plugin.id) cannot be used: \(error.message)", at: place)
      return missing(type)
    }
  }

  /// Of no known type, and passed over.
  func missing(_ type: Substring) -> WireWriter {
    var writer = WireWriter()
    writer.data(1, "\(PluginSchemas.prefix)missing//\(type)".utf8)
    return writer
  }

  private func json(_ node: ConfigurationNode, type: Substring, filter: String, at place: Place) -> WireWriter
  {
    remember(node, at: place)
    let value = try? Google_Protobuf_Struct(serializedBytes: structure(node, at: place).bytes)
    var writer = WireWriter()
    writer.data(1, "\(PluginSchemas.prefix)json/\(filter)/\(type)".utf8)
    writer.data(2, PluginJSON.text(value ?? Google_Protobuf_Struct()))
    return writer
  }

  /// Keeps the lines of what the plugin may have something to say about.
  private func remember(_ node: ConfigurationNode, at place: Place) {
    for entry in node.entries ?? [] where !entry.isRefused {
      remember(entry.value, at: place.enter(field: entry.key, at: entry.position))
    }
    for (index, element) in (node.elements ?? []).enumerated() {
      remember(element, at: place.enter(element: index, at: element.position))
    }
  }
}
