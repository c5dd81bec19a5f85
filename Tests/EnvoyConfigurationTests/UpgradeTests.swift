// What v2 files contain, change by change.

import EnvoyConfiguration
import Model
import Testing

@Suite struct UpgradeTests {
  /// The same model, with this many warnings.
  private func same(
    _ old: String, _ new: String, changes: Int, _ location: SourceLocation = #_sourceLocation
  ) throws {
    let upgraded = try load(old)
    #expect(upgraded.configuration == (try load(new).configuration), sourceLocation: location)
    #expect(upgraded.warnings.count == changes, "\(upgraded.warnings)", sourceLocation: location)
    #expect(
      upgraded.warnings.allSatisfy { $0.message.hasPrefix("upgraded from v2: ") },
      sourceLocation: location)
    #expect(try load(new).warnings.isEmpty, sourceLocation: location)
  }

  @Test func filterNames() throws {
    for (old, new, type) in [
      ("envoy.echo", "envoy.filters.network.echo", "echo.v3.Echo"),
      ("envoy.filters.network.echo", "envoy.filters.network.echo", "echo.v3.Echo"),
    ] {
      try same(
        Piece.filters("{name: \(old)}"),
        Piece.filters(
          "{name: \(new), typed_config: {'@type': \(Piece.extensions).network.\(type)}}"),
        changes: old == new ? 1 : 2)
    }
  }

  @Test func untypedConfiguration() throws {
    let new =
      Piece.filters(Piece.networkFilter("tcp_proxy.v3.TcpProxy", "stat_prefix: a, cluster: c"))
      + "\n"
    #expect(
      try load(Piece.filters("{name: envoy.tcp_proxy, config: {stat_prefix: a, cluster: c}}"))
        .configuration == (try load(new).configuration))
    #expect(
      errors(Piece.filters("{name: envoy.mongo_proxy, config: {stat_prefix: a}}")).first?.message
        .hasPrefix("`config` has no type") == true)
  }

  @Test func typeNames() throws {
    try same(
      Piece.filters(
        "{name: f, typed_config: {'@type': type.googleapis.com/envoy.config.filter.network.echo.v2.Echo}}"
      ), Piece.filters(Piece.echo),
      changes: 1)
  }

  @Test func hosts() throws {
    let new =
      "load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: "
      + "{pipe: {path: /a}}}}, {endpoint: {address: {pipe: {path: /b}}}}]}]}"
    try same(
      Piece.clusters("{name: a, hosts: [{pipe: {path: /a}}, {pipe: {path: /b}}]}"),
      Piece.clusters("{name: a, \(new)}"), changes: 1)
    try same(
      Piece.clusters("{name: a, hosts: {pipe: {path: /a}}}"),
      Piece.clusters("{name: a, hosts: [{pipe: {path: /a}}]}").replacingOccurrences(
        of: "hosts: [{pipe: {path: /a}}]",
        with:
          "load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: "
          + "{pipe: {path: /a}}}}]}]}"
      ), changes: 1)
    #expect(
      errors(Piece.clusters("{name: a, hosts: [], load_assignment: {cluster_name: a}}")).count == 1)
    #expect(
      errorLines("static_resources:\n  clusters:\n  - name: a\n    hosts:\n    - {}") == [
        "5: "
          + "static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address: "
          + "one of `socket_address`, `pipe` is required"
      ])
  }

  @Test func listeners() throws {
    try same(
      Piece.listeners(Piece.listener("deprecated_v1: {bind_to_port: false}")),
      Piece.listeners(Piece.listener("bind_to_port: false")), changes: 1)
    try same(
      Piece.listeners(Piece.listener("reuse_port: false")),
      Piece.listeners(Piece.listener("enable_reuse_port: false")), changes: 1)
    try same(
      Piece.listeners(Piece.listener("reuse_port: false, enable_reuse_port: true")),
      Piece.listeners(Piece.listener("enable_reuse_port: true")), changes: 1)
    let filter =
      #"listener_filters: [{name: a, typed_config: {"@type": "#
      + #"\#(Piece.extensions).listener.proxy_protocol.v3.ProxyProtocol}}]"#
    try same(
      Piece.chains("{use_proxy_proto: true, filters: [\(Piece.echo)]}"),
      "static_resources: {listeners: [{name: l, address: \(Piece.anyAddress), filter_chains: "
        + "[{filters: [\(Piece.echo)]}], \(filter)}]}",
      changes: 1)
    #expect(
      errors(Piece.chains("{use_proxy_proto: true}, {filter_chain_match: {destination_port: 1}}"))
        .count == 1)
    #expect(try load(Piece.chains("{use_proxy_proto: false}")).warnings.isEmpty)
    try same(
      Piece.listeners(Piece.listener("listener_filters: [{name: envoy.listener.original_dst}]")),
      Piece.listeners(
        Piece.listener(
          #"listener_filters: [{name: a, typed_config: {"@type": "#
            + #"\#(Piece.extensions).listener.original_dst.v3.OriginalDst}}]"#
        )),
      changes: 2)
  }

  @Test func connectionManagers() throws {
    try same(
      Piece.manager("route_config: {}, idle_timeout: 3s"),
      Piece.manager("route_config: {}, common_http_protocol_options: {idle_timeout: 3s}"),
      changes: 1)
    try same(
      Piece.manager(
        "route_config: {}, idle_timeout: 3s, common_http_protocol_options: {max_headers_count: 4}"),
      Piece.manager(
        "route_config: {}, common_http_protocol_options: {max_headers_count: 4, idle_timeout: 3s}"),
      changes: 1)
    try same(
      Piece.manager(
        "route_config: {}, idle_timeout: 3s, common_http_protocol_options: {idle_timeout: 4s}"),
      Piece.manager("route_config: {}, common_http_protocol_options: {idle_timeout: 4s}"),
      changes: 1)
  }

  @Test func tcpProxies() throws {
    let old = Piece.networkFilter(
      "tcp_proxy.v3.TcpProxy", "stat_prefix: a, deprecated_v1: {routes: [{cluster: c}]}")
    let new = Piece.networkFilter("tcp_proxy.v3.TcpProxy", "stat_prefix: a, cluster: c")
    #expect(
      try load(Piece.filters(old)).configuration == (try load(Piece.filters(new)).configuration))
    let many = Piece.networkFilter(
      "tcp_proxy.v3.TcpProxy",
      "stat_prefix: a, deprecated_v1: {routes: [{cluster: c, source_ports: '1'}]}")
    #expect(
      errors(Piece.filters(many)).contains { $0.message.contains("use filter chain matches") })
  }

  @Test func bootstrap() throws {
    try same(
      "runtime: {base: {overload: {global_downstream_max_connections: 3}}}",
      "layered_runtime: {layers: [{name: base, static_layer: {overload: "
        + "{global_downstream_max_connections: 3}}}]}",
      changes: 1)
    #expect(errors("runtime: {symlink_root: /a}").count == 1)
    try same("node: {id: a, build_version: x}", "node: {id: a}", changes: 1)
  }

  @Test(arguments: [
    Piece.clusters("{name: a, tls_context: {}}"), Piece.chains("{tls_context: {}}"),
    Piece.routes("{match: {regex: a}, redirect: {}}"),
    Piece.routes("{match: {prefix: /, headers: [{name: a, regex_match: b}]}, redirect: {}}"),
    Piece.routes("{match: {prefix: /}, redirect: {}, per_filter_config: {a: {}}}"),
  ])
  func removedFields(_ yaml: String) {
    #expect(errors(yaml).contains { $0.message.contains("of the v2 API is not supported") })
  }

  @Test func removedFieldsMayBeAllowed() throws {
    let warnings = try warningLines(
      Piece.clusters("{name: a, tls_context: {}}"), allowUnknown: true)
    #expect(
      warnings == [
        "1: static_resources.clusters[0].tls_context: `tls_context` of the v2 API is not "
          + "supported: TLS is not in this version; ignored"
      ])
  }
}
