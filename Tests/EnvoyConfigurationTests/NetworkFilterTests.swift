// Network and listener filters, one by one.

import EnvoyConfiguration
import Model
import Testing

@Suite struct NetworkFilterTests {
  private func filter(_ type: String, _ fields: String) throws -> NetworkFilter? {
    let yaml = Piece.filters("\(Piece.networkFilter(type, fields)), \(Piece.echo)")
    return try load(yaml).configuration.listeners.first?.filterChains.first?.filters.first
  }

  private func terminal(_ type: String, _ fields: String) throws -> NetworkFilter? {
    try load(Piece.clusters("{name: c}, {name: d}") + "\n").configuration.clusters.isEmpty
      ? nil
      : load(Piece.filters(Piece.networkFilter(type, fields))).configuration.listeners.first?
        .filterChains.first?.filters.first
  }

  @Test func connectionLimit() throws {
    var expected = ConnectionLimit(statPrefix: "a", maxConnections: 5)
    #expect(
      try filter("connection_limit.v3.ConnectionLimit", "stat_prefix: a, max_connections: 5")
        == .connectionLimit(expected))
    expected.delay = .seconds(2)
    expected.enabled = RuntimeFlag(defaultValue: false)
    #expect(
      try filter(
        "connection_limit.v3.ConnectionLimit",
        "stat_prefix: a, max_connections: 5, delay: 2s, runtime_enabled: {default_value: false}")
        == .connectionLimit(expected))
    for fields in ["stat_prefix: a, max_connections: 0", "max_connections: 1"] {
      let limit = Piece.networkFilter("connection_limit.v3.ConnectionLimit", fields)
      #expect(errors(Piece.filters("\(limit), \(Piece.echo)")).count == 1)
      // It does not end the chain, which is an error of its own.
      #expect(errors(Piece.filters(limit)).count == 2)
    }
  }

  @Test func tcpProxy() throws {
    var expected = TCPProxy(statPrefix: "a", cluster: .single("c"))
    #expect(
      try terminal("tcp_proxy.v3.TcpProxy", "stat_prefix: a, cluster: c") == .tcpProxy(expected))
    expected.idleTimeout = nil
    expected.maxConnectAttempts = 2
    expected.maxConnectionDuration = .seconds(9)
    #expect(
      try terminal(
        "tcp_proxy.v3.TcpProxy",
        "stat_prefix: a, cluster: c, idle_timeout: 0s, max_connect_attempts: 2, "
          + "max_downstream_connection_duration: 9s"
      )
        == .tcpProxy(expected))
  }

  @Test func tcpProxyToAMissingCluster() throws {
    let warnings = try warningLines(
      Piece.filters(Piece.networkFilter("tcp_proxy.v3.TcpProxy", "stat_prefix: a, cluster: gone")))
    #expect(
      warnings == [
        "1: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.cluster: the "
          + "cluster \"gone\" does not exist; connections to it are closed, as in Envoy"
      ])
  }

  @Test(arguments: [
    "stat_prefix: a", "cluster: c", "stat_prefix: a, cluster: ''",
    "stat_prefix: a, weighted_clusters: {clusters: []}",
    "stat_prefix: a, weighted_clusters: {clusters: [{name: c, weight: 0}]}",
    "stat_prefix: a, weighted_clusters: {clusters: [{name: c}]}",
    "stat_prefix: a, weighted_clusters: {clusters: [{weight: 1}]}",
    "stat_prefix: a, cluster: c, max_connect_attempts: 0",
    "stat_prefix: a, weighted_clusters: {clusters: [{name: c, weight: 4294967295}, {name: d, weight: 1}]}",
    "stat_prefix: a, cluster: c, weighted_clusters: {clusters: [{name: c, weight: 1}]}",
    "stat_prefix: a, cluster: c, idle_timeout: -1s",
  ])
  func wrongTCPProxy(_ fields: String) {
    let found = errors(Piece.filters(Piece.networkFilter("tcp_proxy.v3.TcpProxy", fields)))
    #expect(found.count == 1, "\(found)")
  }

  @Test func directResponse() throws {
    #expect(
      try terminal("direct_response.v3.Config", "response: {inline_string: hello}")
        == .directResponse(Array("hello".utf8)))
    #expect(try terminal("direct_response.v3.Config", "") == .directResponse([]))
    #expect(
      errors(
        Piece.filters(
          Piece.networkFilter("direct_response.v3.Config", "response: {filename: /nonexistent}"))
      ).map(\.message) == [
        "/nonexistent: cannot be read: No such file or directory"
      ])
    #expect(
      errors(
        Piece.filters(
          Piece.networkFilter(
            "direct_response.v3.Config", "response: {environment_variable: MARTLET_NOT_SET}"))
      ).count == 1)
  }

  private func proxyProtocol(_ fields: String) -> String {
    Piece.listeners(
      Piece.listener(
        #"listener_filters: [{name: pp, typed_config: {"@type": "#
          + #"\#(Piece.extensions).listener.proxy_protocol.v3.ProxyProtocol\#(fields)}}]"#
      ))
  }

  @Test func proxyProtocolFilter() throws {
    var expected = ListenerFilter.ProxyProtocol()
    #expect(
      try load(proxyProtocol("")).configuration.listeners.first?.listenerFilters == [
        .proxyProtocol(expected)
      ])
    expected.passThroughTLVs = .all
    expected.acceptV2 = false
    let fields =
      ", pass_through_tlvs: {}, disallowed_versions: [V2], tlv_location: FILTER_STATE, "
      + "rules: [{tlv_type: 2, on_tlv_present: {key: k}}, {tlv_type: 3}]"
    expected.storesInFilterState = true
    expected.rules = [
      .init(type: 2, namespace: "envoy.filters.listener.proxy_protocol", key: "k"),
      .init(type: 3, namespace: "envoy.filters.listener.proxy_protocol", key: ""),
    ]
    #expect(
      try load(proxyProtocol(fields)).configuration.listeners.first?.listenerFilters == [
        .proxyProtocol(expected)
      ])
  }

  @Test(arguments: [
    ", disallowed_versions: [V1, V2]", ", rules: [{tlv_type: 256, on_tlv_present: {key: k}}]",
    ", pass_through_tlvs: {tlv_type: [1]}",
    ", pass_through_tlvs: {match_type: INCLUDE, tlv_type: [256]}",
    ", rules: [{on_tlv_present: {}}]",
  ])
  func wrongProxyProtocol(_ fields: String) { #expect(errors(proxyProtocol(fields)).count == 1) }
}
