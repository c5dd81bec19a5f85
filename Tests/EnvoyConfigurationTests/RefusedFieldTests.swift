// Every field that the proto files refuse is refused by name, in both spellings; every enum
// value too. This is what Docs/envoy-compatibility.md promises.

import Model
import Testing

@testable import EnvoyConfiguration

@Suite struct RefusedFieldTests {
  private func findings(_ yaml: String, as schema: MessageSchema, in store: SchemaStore) throws
    -> [String]
  {
    let diagnostics = Diagnostics()
    diagnostics.files = ["test"]
    var text = yaml
    let node = try text.withUTF8 { try YAMLReader.read(UnsafeRawBufferPointer($0), file: 0) }
    let walker = SchemaWalker(store: store, diagnostics: diagnostics, allowsUnknownFields: false)
    _ = walker.message(node, schema, at: Place(root: Location(at: node.position)))
    return diagnostics.all.map(\.message)
  }

  @Test func everyRefusedField() throws {
    let store = SchemaStore()
    var count = 0
    for name in store.messageNames {
      let schema = store.required(name)
      for field in schema.refused {
        let expected = ["`\(field.name)` is not supported: \(field.because)"]
        #expect(try findings("{\(field.name): {x: y}}", as: schema, in: store) == expected)
        #expect(
          try findings("{\(FieldSchema.camelCase(field.name)): [{}]}", as: schema, in: store)
            == expected)
        #expect(try findings("{\(field.name): null}", as: schema, in: store) == [])
        for accepted in field.accepts where !accepted.isEmpty {
          #expect(try findings("{\(field.name): \"\(accepted)\"}", as: schema, in: store) == [])
        }
        count += 1
      }
    }
    #expect(count > 200)
  }

  @Test func everyValueOutsideOnly() throws {
    let store = SchemaStore()
    for name in store.messageNames {
      let schema = store.required(name)
      for field in schema.fields {
        guard case .enumeration(let type) = field.kind else { continue }
        for value in store.enumeration(type).values {
          let isRefused =
            value.refused != nil
            || (!field.rules.only.isEmpty && !field.rules.only.contains(value.name))
          let found = try findings(
            "{\(field.name): \(field.isRepeated ? "[\(value.name)]" : value.name)}", as: schema,
            in: store)
          #expect(found.isEmpty != isRefused, "\(name).\(field.name) \(value.name)")
        }
      }
    }
  }

  /// A field either has a place in the typed message or is refused, never both.
  @Test func noFieldTwice() {
    let store = SchemaStore()
    for name in store.messageNames {
      let schema = store.required(name)
      for field in schema.refused {
        #expect(
          schema.fields.allSatisfy { $0.name != field.name && $0.number != Int(field.number) })
      }
    }
  }

  @Test func extensionsAreRegistered() {
    let store = SchemaStore()
    #expect(
      store.extensions(in: "envoy.filters.network").map(\.name)
        == NetworkFilterExtension.all.map(\.typeName).sorted())
    #expect(
      store.extensions(in: "envoy.filters.listener").map(\.name)
        == ListenerFilterExtension.all.map(\.typeName).sorted())
    #expect(
      store.extensions(in: "envoy.http.original_ip_detection").map(\.name)
        == ConfigurationExtension<OriginalAddress>.all.map(\.typeName).sorted())
    #expect(
      store.extensions(in: "envoy.http.stateful_header_formatters").map(\.name)
        == ConfigurationExtension<HTTP1Options.Names>.all.map(\.typeName).sorted())
    #expect(
      store.extensions(in: "envoy.request_id").map(\.name)
        == ConfigurationExtension<RequestIDKind>.all.map(\.typeName).sorted())
    #expect(
      store.extensions(in: "envoy.load_balancing_policies").map(\.name)
        == LoadBalancingExtension.all.map(\.typeName).sorted())
    #expect(
      store.extensions(in: "envoy.network.dns_resolver").map(\.name)
        == DNSResolverExtension.all.map(\.typeName).sorted())
    #expect(
      store.extensions(in: "envoy.clusters").map(\.name)
        == ClusterTypeExtension.all.map(\.typeName).sorted())
  }
}
