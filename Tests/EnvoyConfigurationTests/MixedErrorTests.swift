// All errors of a file come in one run, in the order of its lines, whatever step finds them: the
// walk (names, types, values), the presence check, the rules between values. None comes twice, and
// none follows from another.

import EnvoyConfiguration
import Foundation
import Testing

@Suite struct MixedErrorTests {
  /// One of each kind, from the first line to the last.
  @Test func everyStepInOneRun() {
    let lines = errorLines(
      """
      node: {id: on}
      admin:
        address: {socket_address: {address: localhost, port_value: 9901}}
      static_resources:
        listeners:
        - name: a
          address: {socket_address: {address: 300.0.0.1, port_value: 70000}}
          filter_chains:
          - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ""
                max_request_headers_kb: 9000
                route_config:
                  virtual_hosts:
                  - name: v
                    domains: ["a*b"]
                    routes:
                    - match: {prefix: /}
                      route: {cluster: nowhere, timeout: soon}
                    - match: {prefix: /}
                http_filters:
                - name: lua
                  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}
                - name: router
                  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
        - name: a
          address: {socket_address: {address: 127.0.0.1, port_value: 80}}
          tcp_backlog_size: 0
          filter_chains: [{filters: [\(Piece.networkFilter("connection_limit.v3.ConnectionLimit", "stat_prefix: l"))]}]
        clusters:
        - name: c
          connect_timeout: 0s
          load_assignment:
            cluster_name: c
            endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: host, port_value: 1}}}}]}]
        - {name: c, lb_policy: MAGLEV}
      """)
    let expected = [
      "1: node.id: expected text",
      "3: admin.address.socket_address.address: expected an IPv4 or IPv6 address",
      "7: static_resources.listeners[0].address.socket_address.port_value: expected 65535",
      "7: static_resources.listeners[0].address.socket_address.address: expected an IPv4",
      "13: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.stat_prefix: must not be empty",
      "14: ", "18: ", "21: ", "21: ", "22: ", "25: ",
      "28: static_resources.listeners[1].name: the name \"a\" is taken",
      "30: static_resources.listeners[1].tcp_backlog_size: expected a number from 1",
      "31: static_resources.listeners[1].filter_chains[0].filters[0].typed_config.max_connections: ",
      "31: static_resources.listeners[1].filter_chains[0].filters[0]: \"f\" does not end the chain",
      "34: static_resources.clusters[0].connect_timeout: expected more than 0s",
      "37: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0]",
      "38: static_resources.clusters[1].lb_policy: ",
      "38: static_resources.clusters[1].name: the name \"c\" is taken",
    ]
    #expect(lines.count == expected.count, "\(lines.joined(separator: "\n"))")
    for (line, start) in zip(lines, expected) { #expect(line.hasPrefix(start)) }
    func has(_ part: String) -> Bool { lines.contains { $0.contains(part) } }
    #expect(has("domains[0]: a domain has one `*`"))
    #expect(has("the cluster \"nowhere\" does not exist"))
    #expect(has("expected a duration in seconds"))
    #expect(has("routes[1]: one of `route`"))
    #expect(has("max_request_headers_kb"))
    #expect(has("the extension type `envoy.extensions.filters.http.lua.v3.Lua` is not supported"))
  }

  /// One mistake, one error: what would follow from it is left unsaid.
  @Test(arguments: [
    // A cluster that is wrong in itself exists for those who refer to it.
    "static_resources: {clusters: [{name: c, connect_timeout: x}], listeners: [\(MixedErrorTests.route(to: "c"))]}",
    "static_resources: {clusters: [{name: c, lb_policy: MAGLEV}], listeners: [\(MixedErrorTests.route(to: "c"))]}",
    // One whose name is not known may be any.
    "static_resources: {clusters: [{name: yes}], listeners: [\(MixedErrorTests.route(to: "yes"))]}",
    "static_resources: {clusters: [{nam: c}], listeners: [\(MixedErrorTests.route(to: "c"))]}",
    "static_resources: {clusterz: [{name: c}], listeners: [\(MixedErrorTests.route(to: "c"))]}",
    "static_resources: {clusters: 5, listeners: [\(MixedErrorTests.route(to: "c"))]}",
    "static_resources: {clusters: [{name: \"\"}, {name: d}], listeners: [\(MixedErrorTests.route(to: "c"))]}",
    // Two that have no name are not two of the same.
    "static_resources: {clusters: [{name: a}, null]}",
    // What is not a message has no fields that could be missing.
    "static_resources: {clusters: [x]}",
    "admin: {address: {socket_address: here}}",
    // A mistyped or refused field is not missing as well.
    "admin: {address: {socket_adress: {address: 127.0.0.1, port_value: 1}}}",
    "admin: {address: {socket_address: {address: 127.0.0.1, port_valu: 1}}}",
    "admin: {address: {socket_address: {address: 127.0.0.1, named_port: http}}}",
    "admin: {address: {envoy_internal_address: {server_listener_name: x}}}",
    Piece.routes("{match: {safe_regexp: {regex: x}}, redirect: {}}"),
    Piece.routes("{match: {prefix: /}, routes: {cluster: c}}"),
    Piece.routes("{match: {prefix: /}, route: {clusters: c}}"),
    Piece.routes("{match: {prefix: yes}, route: {cluster: c}}"),
    Piece.routes("{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: c, weight: x}]}}}"),
    Piece.routes(
      "{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: c, weight: 1}, null]}}}"),
    Piece.virtualHosts("{name: v, domains: [no]}"),
    Piece.virtualHosts("{name: v, domains: [no, no.example]}"),
    // A filter that is not known says nothing about its place in the chain.
    Piece.filters("{name: x, typed_config: {\"@type\": a/b.C}}"),
    Piece.filters("{name: x, typed_config: {\"@type\": a/b.C}}, \(Piece.echo)"),
    Piece.filters("{name: x, config_discovery: {}}, \(Piece.echo)"),
    Piece.filters(
      "\(Piece.networkFilter("connection_limit.v3.ConnectionLimit", "stat_prefix: l, max_connections: 1")), null"
    ),
    Piece.filters(
      "\(Piece.networkFilter("connection_limit.v3.ConnectionLimit", "stat_prefix: l, max_connections: -1")), \(Piece.echo)"
    ),
    // Listeners whose address is wrong are not at the same one.
    Piece.listeners(
      "{name: a, address: {pipe: {path: '@'}}, filter_chains: [{filters: [\(Piece.echo)]}]}",
      "{name: b, address: {pipe: {path: /tmp/x}}, filter_chains: [{filters: [\(Piece.echo)]}]}"),
    "static_resources: {listeners: [{name: l, address: \(Piece.anyAddress), filter_chain: [{filters: [\(Piece.echo)]}]}]}",
    // Chains that differ in a criterion that was refused.
    Piece.chains(
      "{filter_chain_match: {prefix_ranges: [{address_prefix: x, prefix_len: 8}]}, filters: [\(Piece.echo)]}, "
        + "{filters: [\(Piece.echo)]}"),
    Piece.chains(
      "{filter_chain_match: {destination_port: 0}, filters: [\(Piece.echo)]}, {filters: [\(Piece.echo)]}"),
    Piece.chains(
      "{filter_chain_match: {destinaton_port: 1}, filters: [\(Piece.echo)]}, {filters: [\(Piece.echo)]}"),
    Piece.manager("route_config: {}, server_name: [x]"),
    Piece.manager("route_confg: {}"),
    Piece.manager("rds: {}"),
    // Endpoints.
    Piece.clusters(
      "{name: c, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpont: {}}]}]}}"),
    Piece.clusters(
      "{name: c, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: "
        + "{socket_address: {address: 127.0.0.1, port_value: x}}}}]}]}}"),
    // The v2 age: `config` of an unknown filter.
    Piece.filters("{name: nobody, config: {a: b}}, \(Piece.echo)"),
  ])
  func oneErrorEach(_ yaml: String) {
    let found = errorLines(yaml)
    #expect(found.count == 1, "\(found.joined(separator: "\n"))")
  }

  /// Independent errors in one message are all there.
  @Test func twoInOneMessage() {
    let found = errorLines(
      """
      static_resources:
        clusters:
        - name: c
          typo: 1
          load_assignment:
            endpoints:
            - lb_endpoints:
              - endpoint: {address: {socket_address: {address: x, port_value: 0}}}
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
      """)
    #expect(found.count == 4, "\(found.joined(separator: "\n"))")
    #expect(found.map { $0.prefix(2) } == ["4:", "5:", "8:", "9:"])
    #expect(found.last?.contains("an endpoint has a port") == true)
  }

  /// Elements that were refused do not shift the others: lines and indices stay the file's.
  @Test func placesBesideRefusedElements() {
    let found = errorLines(
      """
      static_resources:
        clusters:
        - {name: c}
        - null
        - {name: c}
        - name: d
          load_assignment:
            cluster_name: d
            endpoints:
            - lb_endpoints:
              - null
              - endpoint: {address: {socket_address: {address: x, port_value: 1}}}
      """)
    #expect(
      found.map { $0.split(separator: ": ").prefix(2).joined(separator: " ") } == [
        "4 static_resources.clusters[1]", "5 static_resources.clusters[2].name",
        "11 static_resources.clusters[3].load_assignment.endpoints[0].lb_endpoints[0]",
        "12 static_resources.clusters[3].load_assignment.endpoints[0].lb_endpoints[1].endpoint"
          + ".address.socket_address.address",
      ])
  }

  @Test func overlayAndFileTogether() throws {
    let base = """
      static_resources:
        clusters:
        - {name: c, connect_timeout: never}
        listeners:
        - name: l
          address: {socket_address: {address: nope, port_value: 1}}
          filter_chains: [{filters: [\(Piece.echo)]}]
      """
    let overlay = """
      node: {id: 5}
      static_resources:
        clusters:
        - {name: c}
        listeners:
        - \(Self.route(to: "elsewhere", name: "l"))
      """
    do {
      _ = try load(base, overlay: overlay)
      Issue.record("loaded")
    } catch let error as ConfigurationError {
      let overlayName = ConfigurationLoader.overlayName
      #expect(
        error.diagnostics.map { ($0.file == overlayName ? "+" : "") + "\($0.line ?? 0)" } == [
          "3", "6", "+1", "+4", "+6", "+6",
        ])
      let text = error.description
      #expect(text.contains("the name \"c\" is taken"))
      #expect(text.contains("the name \"l\" is taken"))
      #expect(text.contains("the cluster \"elsewhere\" does not exist"))
    }
  }

  /// Of a file that cannot be read nothing is known, so nothing is said of what it may have brought.
  @Test func unreadableOverlay() throws {
    do {
      _ = try load("static_resources: {listeners: [{name: l}]}", overlay: "{")
      Issue.record("loaded")
    } catch let error as ConfigurationError {
      #expect(error.diagnostics.map(\.file) == [ConfigurationLoader.overlayName])
    }
  }

  /// With the flag, unknown fields are warnings, and what follows from leaving them out is said.
  @Test func ignoredFieldsHideNothing() throws {
    let yaml = "admin: {address: {socket_adress: {address: 127.0.0.1, port_value: 1}}}"
    do {
      _ = try load(yaml, allowUnknown: true)
      Issue.record("loaded")
    } catch let error as ConfigurationError {
      #expect(error.diagnostics.map(\.severity) == [.error, .warning])
    }
  }

  static func route(to cluster: String, name: String = "l") -> String {
    "{name: \(name), address: \(Piece.anyAddress), filter_chains: [{filters: ["
      + Piece.networkFilter(
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix: h, http_filters: [\(Piece.router)], route_config: {virtual_hosts: [{name: v, "
          + "domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: \"\(cluster)\"}}]}]}")
      + "]}]}"
  }
}
