// The HTTP connection manager.

import EnvoyConfiguration
import Model
import Testing

@Suite struct ConnectionManagerTests {
  private func manager(_ fields: String = "") throws -> HTTPConnectionManager {
    try #require(
      try load(Piece.manager("route_config: {}\(fields.isEmpty ? "" : ", " + fields)"))
        .configuration.manager)
  }

  fileprivate static let xff =
    "{name: x, typed_config: {'@type': type.googleapis.com/"
    + "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig}}"

  @Test func originalAddresses() throws {
    let type = "type.googleapis.com/envoy.extensions.http.original_ip_detection."
    let manager = try manager(
      "original_ip_detection_extensions: [{name: a, typed_config: {'@type': \(type)xff.v3.XffConfig, "
        + "xff_trusted_cidrs: {cidrs: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}}, "
        + "{name: b, typed_config: {'@type': \(type)custom_header.v3.CustomHeaderConfig, "
        + "header_name: X-Real, reject_with_status: {code: OK}}}]")
    var ranges = OriginalAddress.ForwardedFor()
    ranges.usesRanges = true
    ranges.trustedRanges = [AddressPrefix(address: IPAddress(v4: 0x0a00_0000), length: 8)]
    var header = OriginalAddress.Header(name: "x-real")
    header.rejection = 403
    #expect(manager.clientTrust.detection == [.forwardedFor(ranges), .header(header)])
  }

  @Test func defaults() throws {
    #expect(
      try manager()
        == HTTPConnectionManager(statPrefix: "h", routes: RouteConfiguration(virtualHosts: [])))
  }

  @Test func timeouts() throws {
    let manager = try manager(
      "stream_idle_timeout: 0s, request_timeout: 0s, delayed_close_timeout: 0s, "
        + "common_http_protocol_options: {idle_timeout: 0s, max_connection_duration: 1s}"
    )
    #expect(manager.streamIdleTimeout == nil)
    #expect(manager.requestTimeout == nil)
    #expect(manager.delayedCloseTimeout == nil)
    #expect(manager.idleTimeout == nil)
    #expect(manager.maxConnectionDuration == .seconds(1))
  }

  @Test func limits() throws {
    let manager = try manager(
      "max_request_headers_kb: 8192, common_http_protocol_options: {max_headers_count: 1, "
        + "max_requests_per_connection: 0}"
    )
    #expect(manager.maxRequestHeadersBytes == 8192 << 10)
    #expect(manager.maxRequestHeaders == 1)
    #expect(manager.maxRequestsPerConnection == nil)
  }

  @Test(arguments: [
    "max_request_headers_kb: 0", "max_request_headers_kb: 8193",
    "common_http_protocol_options: {max_headers_count: 0}",
    "common_http_protocol_options: {max_response_headers_kb: 8}", "codec_type: HTTP2",
    "codec_type: HTTP3", "http2_protocol_options: {}",
    "request_timeout: -1s",
    "stat_prefix: ''",
    "http_protocol_options: {allow_chunked_length: true}",
    "upgrade_configs: [{upgrade_type: CONNECT-UDP}]",
    "upgrade_configs: [{upgrade_type: a}, {upgrade_type: A}]",
    "use_remote_address: true, original_ip_detection_extensions: [\(ConnectionManagerTests.xff)]",
    "xff_num_trusted_hops: 1, original_ip_detection_extensions: [\(ConnectionManagerTests.xff)]",
    "scheme_header_transformation: {scheme_to_overwrite: ftp}",
    "strip_any_host_port: true, strip_matching_host_port: true",
    "internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.x, prefix_len: 8}]}",
    "request_id_extension: {typed_config: {'@type': type.googleapis.com/a.B}}",
  ])
  func refused(_ fields: String) {
    let yaml = Piece.manager("route_config: {}, \(fields)").replacingOccurrences(
      of: fields.hasPrefix("stat_prefix") ? "stat_prefix: h, " : "\u{0}", with: "")
    #expect(errors(yaml).count == 1, "\(errors(yaml))")
  }

  private func filters(_ filters: String) -> String {
    Piece.filters(
      Piece.networkFilter(
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix: a, route_config: {}, http_filters: [\(filters)]"))
  }

  @Test func routerIsNeededAndLast() {
    #expect(
      errors(filters("")).map(\.message) == [
        "the router is missing: expected the filter envoy.filters.http.router as the last one"
      ])
    #expect(
      errors(filters("\(Piece.router), \(Piece.router)")).map(\.message) == [
        "\"router\" ends the chain and must be its last filter"
      ])
    #expect(
      errors(
        filters(
          "{name: lua, typed_config: {'@type': "
            + "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}, \(Piece.router)"
        )
      ).count == 1)
  }

  @Test func routesAreNeeded() {
    #expect(
      errors(Piece.manager("server_name: a")).map(\.message) == ["`route_config` is required"])
    #expect(errors(Piece.manager("rds: {}")).contains { $0.message.contains("discovery over xDS") })
  }
}
