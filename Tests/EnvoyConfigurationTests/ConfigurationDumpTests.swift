// What `/config_dump` is made from: the loaded messages in the protobuf JSON mapping.

import EnvoyConfiguration
import Testing

@Suite struct ConfigurationDumpTests {
  private typealias Value = ConfigurationDump.Value

  private func text(_ value: Value) -> String {
    switch value {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): value == value.rounded() ? "\(Int(value))" : "\(value)"
    case .string(let text): "\"\(text)\""
    case .list(let elements): "[" + elements.map(text).joined(separator: ", ") + "]"
    case .fields(let fields):
      "{" + fields.map { "\($0.name): \(text($0.value))" }.joined(separator: ", ") + "}"
    }
  }

  @Test func clusters() throws {
    let dump = try load(
      "static_resources: {clusters: [{name: c, connectTimeout: 0.25s, max_requests_per_connection: 5, "
        + "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: "
        + "{socket_address: {address: 127.0.0.1, port_value: 80}}}}]}]}}]}"
    ).dump.contents()
    #expect(dump.clusters.map(\.name) == ["c"])
    #expect(
      dump.clusters.first.map { text($0.value) }
        == "{@type: \"type.googleapis.com/envoy.config.cluster.v3.Cluster\", name: \"c\", "
        + "connect_timeout: \"0.250s\", max_requests_per_connection: 5, load_assignment: {cluster_name: \"c\", "
        + "endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: \"127.0.0.1\", "
        + "port_value: 80}}}}]}]}}")
  }

  @Test func extensionsAndRoutes() throws {
    let dump = try load(
      Piece.routes("{match: {prefix: /}, redirect: {response_code: FOUND, strip_query: true}}")
    )
    .dump.contents()
    #expect(dump.listeners.map(\.name) == ["l"])
    let routes = try #require(dump.routes.first)
    #expect(text(routes.value).contains("redirect: {response_code: \"FOUND\", strip_query: true}"))
    let listener = try #require(dump.listeners.first)
    #expect(
      text(listener.value).contains(
        "typed_config: {@type: \"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager"
          + ".v3.HttpConnectionManager\", stat_prefix: \"h\""))
  }

  @Test func overlaysAreMerged() throws {
    let dump = try load(
      "node: {id: a, cluster: b}\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}",
      overlay: "node: {id: c}\nadmin: {address: {pipe: {path: /tmp/a}}}"
    ).dump.contents()
    #expect(
      text(dump.bootstrap)
        == "{node: {id: \"c\", cluster: \"b\"}, admin: {address: {pipe: {path: \"/tmp/a\"}}}}")
  }

  @Test func structures() throws {
    let dump = try load(
      "layered_runtime: {layers: [{name: a, static_layer: {x: {y: 1.5, z: true}, l: [a, null], n: 0}}]}"
    ).dump.contents()
    let shown = text(dump.bootstrap)
    #expect(
      shown.contains("x: {y: 1.5, z: true}") && shown.contains("l: [\"a\", null]") && shown.contains("n: 0"))
  }
}
