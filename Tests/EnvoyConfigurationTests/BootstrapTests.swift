// The root: admin, runtime, limits.

import EnvoyConfiguration
import Model
import Testing

@Suite struct BootstrapTests {
  private static let fileLog =
    "{name: f, typed_config: {'@type': "
    + "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /tmp/a}}"

  @Test func empty() throws {
    let loaded = try load("node: {}")
    #expect(loaded.configuration == ProxyConfiguration())
    #expect(loaded.warnings.isEmpty)
  }

  @Test func admin() throws {
    let configuration = try load(
      "admin: {address: \(Piece.anyAddress), access_log: [\(Self.fileLog)]}"
    ).configuration
    #expect(configuration.admin?.accessLogPath == "/tmp/a")
    #expect(try load("admin: {}").configuration.admin == nil)
    #expect(try load("admin: {access_log_path: /tmp/a}").warnings.count == 1)
    #expect(errors("admin: {access_log: [\(Self.fileLog), \(Self.fileLog)]}").count == 1)
    #expect(errors("admin: {access_log_path: /a, access_log: [\(Self.fileLog)]}").count == 1)
    #expect(errors("admin: {access_log: [{name: f}]}").count == 1)
  }

  @Test func runtimeLayers() {
    #expect(
      errors(
        "layered_runtime: {layers: [{name: a, static_layer: {}}, {name: a, static_layer: {}}]}"
      ).count == 1)
    #expect(
      errors("layered_runtime: {layers: [{name: a, admin_layer: {}}, {name: b, admin_layer: {}}]}")
        .count == 1)
    #expect(errors("layered_runtime: {layers: [{name: a}]}").count == 1)
    #expect(errors("layered_runtime: {layers: [{name: a, disk_layer: {}}]}").count == 1)
  }

  @Test func runtimeKeys() throws {
    #expect(
      try warningLines("layered_runtime: {layers: [{name: a, static_layer: {some: {key: 1}}}]}")
        == [
          "1: layered_runtime.layers[0].static_layer[\"some\"][\"key\"]: the runtime key "
            + "`some.key` has no meaning here; ignored"
        ])
    for value in ["-1", "1.5", "abc", "[1]", "true"] {
      #expect(
        errors(
          "layered_runtime: {layers: [{name: a, static_layer: "
            + "{overload.global_downstream_max_connections: \(value)}}]}"
        ).count == 1)
    }
  }

  private func monitor(_ name: String, _ count: String) -> String {
    "{name: \(name), typed_config: {'@type': "
      + "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3."
      + "DownstreamConnectionsConfig, max_active_downstream_connections: \(count)}}"
  }

  @Test func connectionLimit() throws {
    let name = "envoy.resource_monitors.global_downstream_max_connections"
    let both =
      "overload_manager: {resource_monitors: [\(monitor(name, "9"))]}\nlayered_runtime: {layers: "
      + "[{name: a, static_layer: {overload.global_downstream_max_connections: 8}}]}"
    #expect(try load(both).configuration.maxDownstreamConnections == 9)
    #expect(errors("overload_manager: {resource_monitors: [\(monitor(name, "0"))]}").count == 1)
    #expect(errors("overload_manager: {resource_monitors: [\(monitor("other", "1"))]}").count == 1)
    #expect(
      errors(
        "overload_manager: {resource_monitors: [\(monitor(name, "1")), \(monitor(name, "1"))]}"
      ).count == 1)
  }
}
