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

  @Test(arguments: ["STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"])
  func types(_ type: String) {
    #expect(
      messages("{name: a, type: \(type)}").first?.hasPrefix("`\(type)` is not supported") == true)
  }

  @Test(arguments: ["LEAST_REQUEST", "RING_HASH", "RANDOM", "MAGLEV"])
  func balancers(_ policy: String) {
    #expect(
      messages("{name: a, lb_policy: \(policy)}") == [
        "`\(policy)` is not supported: only ROUND_ROBIN load balancing is in this version"
      ])
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
    "{endpoint: {address: {pipe: {path: /a}}}, health_status: DRAINING}",
    "{endpoint_name: a}",
  ])
  func wrongHosts(_ text: String) {
    let found = messages("{name: a, \(endpoints(text))}")
    #expect(!found.isEmpty)
  }

  @Test func assignments() {
    #expect(messages("{name: a, load_assignment: {}}").count == 1)
    #expect(
      messages("{name: a, load_assignment: {cluster_name: a, endpoints: [{priority: 1}]}}").count
        == 1)
    #expect(messages("{name: a, load_assignment: {cluster_name: other}}") == [])
  }

  @Test func timeouts() {
    #expect(messages("{name: a, connect_timeout: 0s}") == ["expected more than 0s"])
    #expect(messages("{name: a, connect_timeout: 250ms}").count == 1)
  }

  @Test func typedOptions() throws {
    let cluster = try cluster(
      typedOptions(
        "common_http_protocol_options: {idle_timeout: 0s, max_headers_count: 7}, "
          + "explicit_http_config: {http_protocol_options: {accept_http_10: true}}"
      ))
    #expect(cluster.idleTimeout == nil)
    #expect(cluster.maxResponseHeaders == 7)
    #expect(cluster.http1.acceptHTTP10)
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
    let limited =
      "common_http_protocol_options: {max_connection_duration: 1s}, "
      + "explicit_http_config: {http_protocol_options: {}}"
    #expect(
      messages(
        "{name: a, "
          + "\(typedOptions(limited))}"
      ).count == 1)
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
