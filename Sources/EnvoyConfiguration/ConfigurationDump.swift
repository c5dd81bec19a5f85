// A loaded configuration as Envoy would print it: the messages of the file (upgraded, merged with the
// overlay) in the protobuf JSON mapping, with the names of the proto files. For `/config_dump`.
//
// Kept is the wire form that the walk wrote, which is small; the tree is made when somebody asks, by
// the same descriptors. What was ignored on load is not in it.

internal import Model

public struct ConfigurationDump: Sendable {
  public indirect enum Value: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(UInt64)
    case number(Double)
    case string(String)
    case list([Value])
    case fields([Field])
  }

  public struct Field: Sendable, Hashable {
    public var name: String
    public var value: Value
  }

  /// A named part, with its type as `@type`.
  public struct Resource: Sendable, Hashable {
    public var name: String
    public var value: Value
  }

  public struct Contents: Sendable {
    public var bootstrap: Value
    public var clusters: [Resource]
    public var listeners: [Resource]
    /// Of all connection managers, in the order of the file.
    public var routes: [Resource]
  }

  private let wire: [UInt8]
  /// With which it was read: for the messages of plugins.
  private let catalog: (any FilterCatalog)?

  init(_ wire: [UInt8], catalog: (any FilterCatalog)? = nil) {
    self.wire = wire
    self.catalog = catalog
  }

  public func contents() -> Contents {
    let store = SchemaStore()
    let bootstrap = WirePrinter(store: store, plugins: catalog.map { PluginSchemas($0) }).message(
      wire[...], store.required("envoy.config.bootstrap.v3.Bootstrap"))
    let resources = bootstrap["static_resources"]
    let listeners = resources?["listeners"]?.elements ?? []
    return Contents(
      bootstrap: bootstrap,
      clusters: (resources?["clusters"]?.elements ?? []).map {
        $0.resource("envoy.config.cluster.v3.Cluster")
      },
      listeners: listeners.map { $0.resource("envoy.config.listener.v3.Listener") },
      routes: listeners.flatMap { $0.all("route_config") }.map {
        $0.resource("envoy.config.route.v3.RouteConfiguration")
      })
  }
}

extension ConfigurationDump.Value {
  subscript(_ name: String) -> Self? {
    guard case .fields(let fields) = self else { return nil }
    return fields.first { $0.name == name }?.value
  }

  var elements: [Self] {
    if case .list(let elements) = self { return elements }
    return []
  }

  var text: String {
    if case .string(let text) = self { return text }
    return ""
  }

  fileprivate func resource(_ type: String) -> ConfigurationDump.Resource {
    guard case .fields(let fields) = self else { return .init(name: "", value: self) }
    let named = ConfigurationDump.Field(
      name: "@type", value: .string("type.googleapis.com/\(type)"))
    return .init(name: self["name"]?.text ?? "", value: .fields([named] + fields))
  }

  /// Every value of a field of that name, however deep.
  fileprivate func all(_ name: String) -> [Self] {
    switch self {
    case .fields(let fields):
      return fields.flatMap { $0.name == name ? [$0.value] : $0.value.all(name) }
    case .list(let elements): return elements.flatMap { $0.all(name) }
    default: return []
    }
  }
}
