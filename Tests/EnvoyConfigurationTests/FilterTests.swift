// Filters of plugins in a configuration: what is found, what is refused and with which words.

import Model
import Testing

@testable import EnvoyConfiguration

@Suite struct FilterTests {
  private func load(_ filters: String, routes: String = "") throws(ConfigurationError) -> LoadedConfiguration
  {
    var options = ConfigurationLoader.Options()
    options.catalog = TestCatalog.shared
    let yaml = """
      static_resources:
        listeners:
        - name: l
          address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
          filter_chains:
          - filters:
            - name: m
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: h
                route_config: {\(routes)}
                http_filters: [\(filters), {name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
      """
    return try ConfigurationLoader(options: options).load(yaml: yaml, name: "t")
  }

  private func messages(_ filters: String, routes: String = "") -> [String] {
    do throws(ConfigurationError) {
      return try load(filters, routes: routes).warnings.map(\.description)
    } catch {
      return error.diagnostics.map(\.description)
    }
  }

  private static let place = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config"

  @Test func anUnknownTypeNamesTheKnownOnes() {
    let found = messages("{name: a, typed_config: {\"@type\": type.googleapis.com/test.HTP}}")
    #expect(
      found.count == 1 && found[0].contains("`test.HTP` is not supported; did you mean `test.HTTP`?"),
      "\(found)")
  }

  @Test func whereAPluginWouldHaveToBe() {
    let type = "envoy.extensions.filters.http.lua.v3.Lua"
    let found = messages("{name: a, typed_config: {\"@type\": type.googleapis.com/\(type)}}")
    #expect(found.count == 1 && found[0].hasSuffix("; no plugin for it in /one, /two"), "\(found)")
  }

  @Test func whatThePluginSaysHasItsPlace() {
    let found = messages("{name: a, typed_config: {\"@type\": type.googleapis.com/test.HTTP, wrong: true}}")
    #expect(
      found.contains { $0.contains("\(Self.place).http_filters[0].typed_config.wrong: is wrong") }, "\(found)"
    )
    #expect(found.contains { $0.contains("\(Self.place).http_filters[0].typed_config: is odd") }, "\(found)")
  }

  @Test func aPluginMustNotBeLast() {
    let found = messages(
      "{name: r2, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}"
    )
    #expect(found.count == 1 && found[0].contains("\"r2\" ends the chain"), "\(found)")
  }

  @Test func namesAndTypesOfRoutes() {
    let filter = "{name: a, typed_config: {\"@type\": type.googleapis.com/test.HTTP}}"
    let route = "{\"@type\": type.googleapis.com/test.Route}"
    #expect(messages(filter, routes: "typed_per_filter_config: {a: \(route)}") == [])
    let other = messages(filter, routes: "typed_per_filter_config: {b: \(route)}")
    #expect(other.count == 1 && other[0].contains("no filter of the chain has the name \"b\""), "\(other)")
    let wrong = messages(
      filter, routes: "typed_per_filter_config: {a: {\"@type\": type.googleapis.com/test.HTTP}}")
    #expect(wrong.count == 1 && wrong[0].contains("`test.HTTP` is not supported"), "\(wrong)")
  }

  @Test func aStructIsFoundByItsName() throws {
    let text =
      "{name: test.http, typed_config: {\"@type\": type.googleapis.com/google.protobuf.Struct, value: {x: 1}}}"
    let loaded = try load(text)
    guard
      case .httpConnectionManager(let manager) = loaded.configuration.listeners[0].filterChains[0].filters[0]
    else {
      Issue.record("no connection manager")
      return
    }
    #expect(manager.filters.map(\.name) == ["test.http"])
    let dump = loaded.dump.contents().bootstrap
    #expect("\(dump)".contains("google.protobuf.Struct"))
  }
}
