// Clusters and endpoints.

import EnvoyConfiguration
import Model
import Testing

@Suite struct ClusterTests {
  private func cluster(_ fields: String) throws -> Cluster {
    try #require(
      try load(Piece.clusters("{name: a\(fields.isEmpty ? "" : ", " + fields)}")).configuration
        .clusters.first)
  }
  private func messages(_ clusters: String) -> [String] {
    errors(Piece.clusters(clusters)).map(\.message)
  }
  private static let typed = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
  private func typedOptions(_ fields: String, key: String = typed) -> String {
    "typed_extension_protocol_options: {\(key): {'@type': "
      + "type.googleapis.com/\(Self.typed)\(fields.isEmpty ? "" : ", " + fields)}}"
  }
  private func endpoints(_ text: String) -> String {
    "load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [\(text)]}]}"
  }

  @Test func defaults() throws { #expect(try cluster("") == Cluster(name: "a", endpoints: [])) }

  @Test func names() {
    #expect(
      messages("{name: a}, {name: a}") == ["the name \"a\" is taken by the cluster at index 0"])
    #expect(messages("{}") == ["is required and must not be empty"])
  }

  @Test(arguments: ["EDS"])
  func types(_ type: String) {
    #expect(
      messages("{name: a, type: \(type)}").first?.hasPrefix("`\(type)` is not supported") == true)
  }

  @Test(arguments: ["RING_HASH", "MAGLEV"])
  func balancers(_ policy: String) {
    #expect(
      messages("{name: a, lb_policy: \(policy)}") == [
        "`\(policy)` is not supported: ring hash and Maglev are not in this version"
      ])
  }

  @Test func balancersByExtension() throws {
    let type = "type.googleapis.com/envoy.extensions.load_balancing_policies"
    func policy(_ name: String) -> String {
      "load_balancing_policy: {policies: [{typed_extension_config: {name: x, typed_config: "
        + "{'@type': \(type).\(name)}}}]}"
    }
    #expect(try cluster(policy("random.v3.Random")).loadBalancing.policy == .random)
    #expect(
      try cluster(policy("least_request.v3.LeastRequest")).loadBalancing.policy
        == .leastRequest(LeastRequest()))
    #expect(
      messages("{name: a, \(policy("ring_hash.v3.RingHash"))}").first?.hasPrefix(
        "the extension type `envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash` is not")
        == true)
    #expect(
      messages("{name: a, load_balancing_policy: {policies: []}}") == [
        "expected one policy or more"
      ])
  }

  @Test(arguments: [
    ("lb_policy: CLUSTER_PROVIDED", "only a cluster of original destinations"),
    ("lb_policy: LOAD_BALANCING_POLICY_CONFIG", "`LOAD_BALANCING_POLICY_CONFIG` needs"),
    ("type: ORIGINAL_DST", "a cluster of original destinations has the policy"),
    ("type: LOGICAL_DNS", "expected one locality with one endpoint"),
    (
      "type: STRICT_DNS, load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: "
        + "[{endpoint: {address: {pipe: {path: /a}}}}]}]}",
      "expected a `socket_address` with the name to resolve"
    ),
    (
      "circuit_breakers: {per_host_thresholds: [{max_requests: 1}]}",
      "an endpoint has only a limit on connections"
    ),
    (
      "upstream_bind_config: {source_address: {address: 127.0.0.1, port_value: 0}, "
        + "extra_source_addresses: [{address: {address: 127.0.0.2, port_value: 0}}]}",
      "expected at most one address, of the other family"
    ),
    (
      "common_lb_config: {healthy_panic_threshold: {value: 100.5}}",
      "expected a number from 0 to 100, found 100.5"
    ),
  ])
  func rulesBetweenFields(_ fields: String, _ message: String) {
    let found = messages("{name: a, \(fields)}")
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix(message) == true, "\(found)")
  }

  @Test func breakers() throws {
    let breakers = try cluster(
      "circuit_breakers: {thresholds: [{max_requests: 1}, {priority: HIGH, retry_budget: {}}, "
        + "{max_requests: 2}]}"
    ).circuitBreakers
    #expect(breakers.normal.maxRequests == 1)
    #expect(breakers.normal.maxConnections == 1024)
    #expect(breakers.high.maxRequests == 1024)
    #expect(breakers.high.retryBudget == CircuitBreakers.RetryBudget())
  }

  @Test func breakersByRuntime() throws {
    let yaml =
      "{static_resources: {clusters: [{name: a}]}, layered_runtime: {layers: [{name: s, "
      + "static_layer: {circuit_breakers: {a: {high: {max_retries: 9}}}}}]}}"
    let loaded = try load(yaml)
    #expect(loaded.configuration.clusters.first?.circuitBreakers.high.maxRetries == 9)
    #expect(loaded.configuration.clusters.first?.circuitBreakers.normal.maxRetries == 3)
    #expect(loaded.warnings.isEmpty)
  }

  @Test func dnsNames() throws {
    let cluster = try cluster(
      "type: STRICT_DNS, "
        + endpoints(
          "{endpoint: {address: {socket_address: "
            + "{address: a.example, port_value: 80}}}, load_balancing_weight: 3}"))
    guard case .dns(let dns) = cluster.discovery else {
      Issue.record("not a DNS cluster")
      return
    }
    #expect(dns.targets.map(\.name) == ["a.example"])
    #expect(dns.targets.first?.port == 80)
    #expect(dns.targets.first?.template.hostname == "a.example")
    #expect(dns.targets.first?.template.weight == 3)
    #expect(dns.refreshRate == .seconds(5))
  }

  @Test func hosts() throws {
    let cluster = try cluster(
      endpoints(
        "{endpoint: {hostname: h, address: {socket_address: {address: '::1', port_value: 1}}}, "
          + "load_balancing_weight: 3}"
      ))
    #expect(cluster.endpoints.map(\.address.description) == ["[::1]:1"])
    #expect(cluster.endpoints.first?.weight == 3)
    #expect(cluster.endpoints.first?.hostname == "h")
  }

  @Test(arguments: [
    "{}", "{endpoint: {}}",
    "{endpoint: {address: {socket_address: {address: example.com, port_value: 1}}}}",
    "{endpoint: {address: {socket_address: {address: '::1', port_value: 0}}}}",
    "{endpoint: {address: {socket_address: {address: '::', port_value: 1, ipv4_compat: true}}}}",
    "{endpoint: {address: {pipe: {path: /a}}}, load_balancing_weight: 0}",
    "{endpoint_name: a}",
  ])
  func wrongHosts(_ text: String) {
    let found = messages("{name: a, \(endpoints(text))}")
    #expect(!found.isEmpty)
  }

  @Test func assignments() throws {
    #expect(messages("{name: a, load_assignment: {}}").count == 1)
    let loaded = try load(
      Piece.clusters("{name: a, load_assignment: {cluster_name: a, endpoints: [{priority: 1}]}}"))
    #expect(loaded.warnings.map(\.message) == ["no locality has the priority 0 before this one"])
    #expect(messages("{name: a, load_assignment: {cluster_name: other}}") == [])
  }

  @Test func timeouts() {
    #expect(messages("{name: a, connect_timeout: 0s}") == ["expected more than 0s"])
    #expect(messages("{name: a, connect_timeout: 250ms}").count == 1)
  }

  @Test func typedOptions() throws {
    let cluster = try cluster(
      typedOptions(
        "common_http_protocol_options: {idle_timeout: 0s, max_headers_count: 7, max_stream_duration: 4s}, "
          + "explicit_http_config: {http_protocol_options: {accept_http_10: true}}"
      ))
    #expect(cluster.idleTimeout == nil)
    #expect(cluster.maxResponseHeaders == 7)
    #expect(cluster.maxStreamDuration == .seconds(4))
    #expect(cluster.http1.acceptHTTP10)
  }

  @Test func optionsOfConnectionManagersAlone() {
    let options = typedOptions(
      "common_http_protocol_options: {headers_with_underscores_action: DROP_HEADER}, "
        + "explicit_http_config: {http_protocol_options: {}}")
    let found = messages("{name: a, \(options)}")
    #expect(found.count == 1 && found[0].contains("connection manager only"), "\(found)")
  }

  @Test func wrongTypedOptions() {
    #expect(messages("{name: a, \(typedOptions(""))}") == ["`explicit_http_config` is required"])
    #expect(
      messages(
        "{name: a, \(typedOptions("explicit_http_config: {http_protocol_options: {}}", key: "foo"))}"
      ) == ["expected the key \"\(Self.typed)\""])
    #expect(
      messages("{name: a, \(typedOptions("explicit_http_config: {http2_protocol_options: {}}"))}")
        .first?.contains("HTTP/2 is not in this version") == true)
  }

  @Test func typedOptionsStandInsteadOfOldOnes() throws {
    let yaml =
      "http_protocol_options: {accept_http_10: true}, max_requests_per_connection: 4, "
      + typedOptions("explicit_http_config: {http_protocol_options: {}}")
    let loaded = try load(Piece.clusters("{name: a, \(yaml)}"))
    #expect(loaded.configuration.clusters.first?.http1.acceptHTTP10 == false)
    #expect(loaded.configuration.clusters.first?.maxRequestsPerConnection == 4)
    #expect(loaded.warnings.map(\.path) == ["static_resources.clusters[0].http_protocol_options"])
  }

  @Test func transportSockets() {
    #expect(
      messages(
        "{name: a, transport_socket: {name: x, typed_config: {'@type': "
          + "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}"
      ) == [])
    #expect(
      messages(
        "{name: a, transport_socket: {name: x, typed_config: {'@type': "
          + "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}}"
      ).count == 1)
  }
}
