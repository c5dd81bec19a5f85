// The filters of plugins as the reader of a configuration sees them: which type or name is whose, and the
// descriptors that a plugin brings, so that its configuration is checked like our own, with line and path
// in every finding.
//
// What the walk finds for a plugin goes on as an Any with a type of its own making:
//
//     plugin.martlet/<encoding>/<filter>/<type name>   the filter's usual name; empty where the chain says it
//     plugin.martlet/missing//<type name>              of no known type, and optional

internal import Foundation
internal import Model
internal import SwiftProtobuf

final class PluginSchemas {
  let catalog: any FilterCatalog
  private var filters: [FilterDescription]
  private var stores: [String: Result<SchemaStore, PluginSchemaError>] = [:]

  struct PluginSchemaError: Error { let message: String }

  init(_ catalog: any FilterCatalog) {
    self.catalog = catalog
    filters = catalog.filters
  }

  static let prefix = "plugin.martlet/"
  static let routeCategory = "envoy.filters.http.route"
  static let categories: [String: (kind: FilterKind, isForRoute: Bool)] = [
    "envoy.filters.http": (.http, false), "envoy.filters.http.route": (.http, true),
    "envoy.filters.network": (.network, false), "envoy.bootstrap": (.formatter, false),
    "envoy.formatter": (.formatter, false),
  ]

  // While a file is read: what is missing may be installed.

  /// The filter that a message configures.
  func find(type: Substring, category: String) -> FilterDescription? {
    guard let (kind, isForRoute) = Self.categories[category] else { return nil }
    return find {
      $0.kind == kind && (isForRoute ? $0.routeTypeNames : $0.typeNames).contains(where: { $0 == type })
    }
  }

  /// The filter of that usual name.
  func find(name: String, kind: FilterKind) -> FilterDescription? {
    find { $0.kind == kind && $0.name == name }
  }

  func has(plugin id: String) -> Bool { find { $0.plugin.id == id } != nil }

  private func find(_ isWanted: (FilterDescription) -> Bool) -> FilterDescription? {
    if let found = filters.first(where: isWanted) { return found }
    // Also where nothing is new: an operator may have asked for them.
    _ = catalog.loadInstalled()
    filters = catalog.filters
    return filters.first(where: isWanted)
  }

  /// The filter of that usual name, of those that are loaded.
  func filter(name: String, kind: FilterKind) -> FilterDescription? {
    filters.first { $0.kind == kind && $0.name == name }
  }

  /// Its places may not share what they keep.
  func isStateful(_ name: String, kind: FilterKind) -> Bool {
    filter(name: name, kind: kind)?.isStateful ?? false
  }

  func typeNames(in category: String) -> [String] {
    guard let (kind, isForRoute) = Self.categories[category] else { return [] }
    return filters.filter { $0.kind == kind }.flatMap { isForRoute ? $0.routeTypeNames : $0.typeNames }
  }

  /// Nil: the plugin reads JSON.
  func schema(_ type: Substring, of filter: FilterDescription) throws(PluginSchemaError) -> (
    MessageSchema, SchemaStore
  )? {
    guard !filter.descriptors.isEmpty else { return nil }
    let key = "\(filter.plugin.hash)/\(filter.kind)/\(filter.name)"
    let made = stores[key] ?? SchemaStore.make(filter.descriptors)
    stores[key] = made
    let store = try made.get()
    guard let schema = store.message(String(type)) else {
      throw PluginSchemaError(message: "they have no message \(type)")
    }
    return (schema, store)
  }
}

extension SchemaStore {
  /// Of descriptors that a plugin brings.
  fileprivate static func make(_ descriptors: [UInt8]) -> Result<SchemaStore, PluginSchemas.PluginSchemaError>
  {
    guard
      let set = try? Google_Protobuf_FileDescriptorSet(
        serializedBytes: descriptors, extensions: Martlet_Annotations_Extensions)
    else { return .failure(.init(message: "they are no google.protobuf.FileDescriptorSet")) }
    let unusable: Set<Google_Protobuf_FieldDescriptorProto.TypeEnum> = [
      .group, .fixed32, .fixed64, .sfixed32, .sfixed64, .sint32, .sint64,
    ]
    func check(_ message: Google_Protobuf_DescriptorProto, _ prefix: String) -> String? {
      for field in message.field where unusable.contains(field.type) {
        return "\(prefix).\(message.name).\(field.name) has a type that configurations cannot have here"
      }
      for nested in message.nestedType {
        if let problem = check(nested, "\(prefix).\(message.name)") { return problem }
      }
      return nil
    }
    for file in set.file {
      for message in file.messageType {
        if let problem = check(message, file.package) { return .failure(.init(message: problem)) }
      }
    }
    let store = SchemaStore(descriptors: set)
    if let missing = store.missingType { return .failure(.init(message: "they lack \(missing)")) }
    return .success(store)
  }
}
