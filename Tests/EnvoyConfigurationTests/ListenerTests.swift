// Listeners: defaults, limits, addresses, and the rules between listeners.

import EnvoyConfiguration
import Model
import Testing

@Suite struct ListenerTests {
  private func listener(_ fields: String) throws -> Listener {
    try #require(try load(Piece.listeners(Piece.listener(fields))).configuration.listeners.first)
  }

  @Test func defaults() throws {
    let listener = try listener("")
    var expected = Listener(
      name: "l", statPrefix: "127.0.0.1_0",
      addresses: [.init(.ip(try #require(IPAddress("127.0.0.1")), port: 0))])
    expected.filterChains = [FilterChain(filters: [.echo])]
    #expect(listener == expected)
  }

  @Test func timeouts() throws {
    #expect(try listener("listener_filters_timeout: 0s").listenerFiltersTimeout == nil)
    #expect(try listener("listener_filters_timeout: 2s").listenerFiltersTimeout == .seconds(2))
    #expect(
      errors(Piece.listeners(Piece.listener("listener_filters_timeout: -2s"))).map(\.message) == [
        "expected a duration of 0s or more"
      ])
  }

  @Test func ranges() {
    for fields in [
      "tcp_backlog_size: 0", "per_connection_buffer_limit_bytes: 0",
      "max_connections_to_accept_per_socket_event: 0",
      "tcp_backlog_size: 4294967295", "tcp_backlog_size: 4294967296",
    ] {
      #expect(errors(Piece.listeners(Piece.listener(fields))).count == 1, "\(fields)")
    }
  }

  @Test func names() throws {
    #expect(
      errorLines(Piece.listeners(Piece.listener(), Piece.listener())) == [
        "1: static_resources.listeners[1].name: the name \"l\" is taken by the listener at index 0"
      ])
    let unnamed =
      "{address: {socket_address: {address: 127.0.0.1, port_value: 0}}, filter_chains: [{}]}"
    let loaded = try load(Piece.listeners(unnamed, unnamed))
    #expect(loaded.configuration.listeners.map(\.name) == ["127.0.0.1:0", "127.0.0.1:0#1"])
  }

  @Test func addressesAreTakenOnce() throws {
    func at(_ name: String, _ fields: String = "") -> String {
      "{name: \(name), address: {socket_address: {address: 127.0.0.1, port_value: 80}}, "
        + "filter_chains: [{}]\(fields)}"
    }
    #expect(
      errorLines(Piece.listeners(at("a"), at("b"))) == [
        "1: static_resources.listeners[1].address: the address 127.0.0.1:80 is taken by the listener \"a\""
      ])
    #expect(
      try load(Piece.listeners(at("a"), at("b", ", bind_to_port: false"))).configuration.listeners
        .count == 2)
  }

  @Test func addresses() throws {
    func address(_ text: String) throws -> Listener.Address? {
      try load(Piece.listeners("{name: l, address: \(text), filter_chains: [{}]}")).configuration
        .listeners.first?.addresses.first
    }
    #expect(
      try address("{socket_address: {address: '::', port_value: 1, ipv4_compat: true}}")?
        .ipv4Compatible == true)
    #expect(try address("{pipe: {path: '@name'}}")?.address == .unixAbstract(name: "name"))
    #expect(try address("{pipe: {path: /a, mode: 7}}")?.address == .unix(path: "/a", mode: 7))
  }

  @Test(arguments: [
    ("{socket_address: {address: localhost, port_value: 1}}", "names are resolved only"),
    ("{socket_address: {address: 127.0.0.01, port_value: 1}}", "expected an IPv4 or IPv6 address"),
    ("{socket_address: {address: '', port_value: 1}}", "must not be empty"),
    ("{socket_address: {address: '::1'}}", "`port_value` is required"),
    ("{socket_address: {address: '::1', port_value: 65536}}", "expected 65535 or less"),
    (
      "{socket_address: {address: '::1', port_value: 1, protocol: UDP}}",
      "UDP is not in this version"
    ),
    ("{socket_address: {address: 127.0.0.1, port_value: 1, ipv4_compat: true}}", "IPv4-mapped"),
    ("{socket_address: {address: '::1', named_port: http}}", "`named_port` is not supported"),
    ("{pipe: {path: ''}}", "must not be empty"), ("{pipe: {path: '@'}}", "has a name after the @"),
    ("{pipe: {path: '@a', mode: 7}}", "has no permission bits"),
    ("{pipe: {path: /a, mode: 01000}}", "expected 511 or less"),
    ("{envoy_internal_address: {}}", "internal listeners"), ("{}", "is required"),
  ])
  func wrongAddresses(_ text: String, _ expected: String) {
    let found = errorLines(Piece.listeners("{name: l, address: \(text), filter_chains: [{}]}"))
    #expect(found.contains { $0.contains(expected) }, "\(found)")
  }

  @Test func longPaths() {
    let path = "/" + String(repeating: "a", count: 107)
    #expect(
      errors(Piece.listeners("{name: l, address: {pipe: {path: \(path)}}, filter_chains: [{}]}"))
        .map(\.message) == [
          "a socket's path has at most 107 bytes"
        ])
  }

  @Test func missingAddress() {
    #expect(
      errorLines("static_resources: {listeners: [{name: l, filter_chains: [{}]}]}") == [
        "1: static_resources.listeners[0].address: is required"
      ])
  }

  @Test func socketOptions() {
    #expect(
      errors(Piece.listeners(Piece.listener("socket_options: [{level: 1, name: 2}]"))).count == 1)
    #expect(
      errors(
        Piece.listeners(
          Piece.listener("socket_options: [{level: 1, name: 2, int_value: 9999999999}]"))
      ).count == 1)
    #expect(
      errors(
        Piece.listeners(
          Piece.listener("socket_options: [{level: 9999999999, name: 2, int_value: 9}]"))
      ).count == 1)
  }

  @Test func connectionLimitsFromRuntime() throws {
    let runtime = """
      layered_runtime: {layers: [
        {name: a, static_layer: {
          envoy.resource_limits.listener.l.connection_limit: 5,
          overload.global_downstream_max_connections: "7"}},
        {name: b, static_layer: {envoy: {resource_limits: {listener: {l: {connection_limit: 6}}}}}}]}
      """
    let loaded = try load(runtime + "\n" + Piece.listeners(Piece.listener()))
    #expect(loaded.configuration.listeners.first?.maxConnections == 6)
    #expect(loaded.configuration.maxDownstreamConnections == 7)
    #expect(loaded.warnings.isEmpty)
  }
}
