// Filter chains: the order of filters, matches, and chains that match the same.

import EnvoyConfiguration
import Model
import Testing

@Suite struct FilterChainTests {
  private static let limit = Piece.networkFilter(
    "connection_limit.v3.ConnectionLimit", "stat_prefix: a, max_connections: 1")

  @Test func order() throws {
    _ = try load(Piece.filters("\(Self.limit), \(Piece.echo)"))
    #expect(
      errors(Piece.filters("\(Piece.echo), \(Piece.echo)")).map(\.message) == [
        "\"echo\" ends the chain and must be its last filter"
      ])
    #expect(
      errors(Piece.filters(Self.limit)).map(\.message) == [
        "\"f\" does not end the chain and must not be its last filter"
      ])
  }

  @Test func someChainIsNeeded() throws {
    #expect(
      errors("static_resources: {listeners: [{name: l, address: \(Piece.anyAddress)}]}").map(
        \.message) == [
          "`filter_chains` or `default_filter_chain` is required"
        ])
    let loaded = try load(
      "static_resources: {listeners: [{name: l, address: \(Piece.anyAddress), "
        + "default_filter_chain: {filters: [\(Piece.echo)]}}]}"
    )
    #expect(loaded.configuration.listeners.first?.defaultFilterChain?.filters == [.echo])
    // No filters: connections are closed at once, as in Envoy.
    #expect(
      try load(Piece.chains("{}")).configuration.listeners.first?.filterChains.first?.filters == [])
  }

  private func errorsOf(_ first: String, _ second: String) -> [String] {
    errors(
      Piece.chains("{name: first, filter_chain_match: \(first)}, {filter_chain_match: \(second)}")
    ).map(\.message)
  }

  @Test(arguments: [
    ("{}", "{}"), ("{server_names: [a, b]}", "{server_names: [b, c]}"),
    ("{server_names: [A]}", "{server_names: [a]}"),
    ("{destination_port: 1}", "{destination_port: 1}"),
    ("{source_ports: [1, 2]}", "{source_ports: [2]}"),
    (
      "{prefix_ranges: [{address_prefix: 10.0.0.1, prefix_len: 8}]}",
      "{prefix_ranges: [{address_prefix: 10.9.0.0, prefix_len: 8}]}"
    ),
    (
      "{application_protocols: [h2, http/1.1], source_type: EXTERNAL}",
      "{application_protocols: [h2], source_type: EXTERNAL}"
    ),
  ])
  func sameMatches(_ first: String, _ second: String) {
    #expect(
      errorsOf(first, second) == [
        "matches the same connections as the filter chain at index 0 (\"first\")"
      ])
  }

  @Test(arguments: [
    ("{}", "{server_names: [a]}"), ("{server_names: [a]}", "{server_names: [b]}"),
    ("{destination_port: 1}", "{destination_port: 2}"),
    ("{server_names: [a], source_ports: [1]}", "{server_names: [a], source_ports: [2]}"),
    ("{source_ports: [1]}", "{}"),
    (
      "{prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}",
      "{prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 9}]}"
    ),
    ("{transport_protocol: tls}", "{transport_protocol: raw_buffer}"),
    ("{source_type: EXTERNAL}", "{}"),
  ])
  func differentMatches(_ first: String, _ second: String) {
    #expect(errorsOf(first, second) == [])
  }

  @Test(arguments: ["'*'", "'*a'", "a.*", "'*.a.*'", "'*.'", "a*b"])
  func partialWildcards(_ name: String) {
    #expect(errors(Piece.chains("{filter_chain_match: {server_names: [\(name)]}}")).count == 1)
  }

  @Test func prefixes() throws {
    func prefixes(_ text: String) throws -> [String]? {
      try load(Piece.chains("{filter_chain_match: {source_prefix_ranges: [\(text)]}}"))
        .configuration.listeners.first?.filterChains.first?.match.sourcePrefixes.map(\.description)
    }
    #expect(try prefixes("{address_prefix: 10.1.2.3, prefix_len: 8}") == ["10.0.0.0/8"])
    #expect(try prefixes("{address_prefix: 10.1.2.3}") == ["0.0.0.0/0"])
    #expect(try prefixes("{address_prefix: '2001:db8::1', prefix_len: 32}") == ["2001:db8::/32"])
    #expect(
      errors(
        Piece.chains(
          "{filter_chain_match: {source_prefix_ranges: [{address_prefix: 10.1.2.3, prefix_len: 33}]}}"
        )
      ).count == 1)
    #expect(
      errors(
        Piece.chains(
          "{filter_chain_match: {source_prefix_ranges: [{address_prefix: '::', prefix_len: 129}]}}")
      ).count == 1)
    #expect(
      errors(
        Piece.chains(
          "{filter_chain_match: {source_prefix_ranges: [{address_prefix: foo, prefix_len: 1}]}}")
      ).count == 1)
  }

  @Test func ports() {
    #expect(errors(Piece.chains("{filter_chain_match: {destination_port: 0}}")).count == 1)
    #expect(errors(Piece.chains("{filter_chain_match: {source_ports: [0]}}")).count == 1)
    #expect(errors(Piece.chains("{filter_chain_match: {source_ports: [70000]}}")).count == 1)
  }

  @Test func manyChainsByServerName() throws {
    let chains = (0..<3000).map { "{filter_chain_match: {server_names: [a\($0)]}}" }.joined(
      separator: ", ")
    #expect(
      try load(Piece.chains(chains)).configuration.listeners.first?.filterChains.count == 3000)
  }
}
