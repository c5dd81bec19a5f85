// The protobuf JSON mapping: names, types, oneofs, lists, maps, and how findings are told.

import EnvoyConfiguration
import Model
import Testing

@Suite struct SchemaWalkTests {
  @Test func everyFindingAtOnce() {
    let yaml = """
      node: {id: 5}
      static_resource:
        listeners: []
      static_resources:
        clusters:
        - name: a
          lb_policy: MAGLEV
          connect_timeout: 5
        - name: ""
          conect_timeout: 5s
      """
    #expect(
      errorLines(yaml) == [
        "1: node.id: expected text, but `5` is a number in YAML; write it in quotes: \"5\"",
        "2: static_resource: `static_resource` is not a field of Bootstrap; did you mean `static_resources`?",
        "7: static_resources.clusters[0].lb_policy: `MAGLEV` is not supported: ring hash "
          + "and Maglev are not in this version",
        "8: static_resources.clusters[0].connect_timeout: expected a duration in seconds such as "
          + "5s or 0.25s, found `5`",
        "9: static_resources.clusters[1].name: must not be empty",
        "10: static_resources.clusters[1].conect_timeout: `conect_timeout` is not a field of "
          + "Cluster; did you mean `connect_timeout`?",
      ])
  }

  @Test func description() {
    let error = errors("node: {id: 5}").first
    #expect(error?.description.hasPrefix("test.yaml:1: node.id: expected text") == true)
    #expect(
      Diagnostic(severity: .warning, file: "f", line: nil, path: "", message: "m").description
        == "f: m")
  }

  @Test func bothKindsOfNames() throws {
    let snake = try load(
      Piece.listeners(Piece.listener("tcp_backlog_size: 5, per_connection_buffer_limit_bytes: 6")))
    let camel = try load(
      Piece.listeners(Piece.listener("tcpBacklogSize: 5, perConnectionBufferLimitBytes: 6")))
    #expect(snake.configuration == camel.configuration)
    #expect(snake.configuration.listeners.first?.backlog == 5)
  }

  @Test func duplicateFields() {
    #expect(
      errorLines("node:\n  id: a\n  id: b") == ["3: node.id: this field is already given on line 2"]
    )
    #expect(
      errorLines("node:\n  userAgentName: a\n  user_agent_name: b") == [
        "3: node.user_agent_name: this field is already given on line 2"
      ])
    #expect(
      errorLines("node: {metadata: {a: 1, a: 2}}") == [
        "1: node.metadata[\"a\"]: this key is already given on line 1"
      ])
  }

  @Test func oneofConflicts() {
    #expect(
      errorLines(
        "admin: {address: {socket_address: {address: '::1', port_value: 1}, pipe: {path: /a}}}")
        == [
          "1: admin.address.pipe: only one of `socket_address` and `pipe` may be given"
        ])
    #expect(
      errorLines("admin: {address: {}}") == [
        "1: admin.address: one of `socket_address`, `pipe` is required"
      ])
  }

  @Test func wrongShapes() {
    #expect(
      errorLines("node: [a]") == [
        "1: node: expected a mapping with the fields of Node, found a list"
      ])
    #expect(errorLines("node: {id: [a]}") == ["1: node.id: expected text, found a list"])
    #expect(
      errorLines("static_resources: {clusters: [null]}") == [
        "1: static_resources.clusters[0]: expected a mapping with the fields of Cluster, found null"
      ])
    #expect(
      errorLines("node: {metadata: abc}") == ["1: node.metadata: expected a mapping, found `abc`"])
  }

  @Test func singleValuesForLists() throws {
    let loaded = try load("static_resources:\n  clusters: {name: a}")
    #expect(loaded.configuration.clusters.map(\.name) == ["a"])
    #expect(
      loaded.warnings.map(\.message) == ["expected a list, found a mapping; taken as a list of one"]
    )
  }

  @Test(arguments: ["STATIC", "static", "0", "\"0\"", "Static"])
  func enums(_ text: String) throws { _ = try load(Piece.clusters("{name: a, type: \(text)}")) }

  @Test(arguments: ["STATICS", "99", "-1", "''", "[STATIC]", "true"])
  func wrongEnums(_ text: String) {
    let found = errorLines(Piece.clusters("{name: a, type: \(text)}"))
    #expect(found.count == 1)
    #expect(found.first?.contains("expected one of STATIC") == true)
  }

  @Test(arguments: [
    ("5s", 5_000), ("0.25s", 250), ("\"1s\"", 1_000), ("0.000000001s", 0),
    ("{seconds: 2, nanos: 500000000}", 2_500), ("1.5s", 1_500),
  ])
  func durations(_ text: String, _ milliseconds: Int) throws {
    let cluster = try load(Piece.clusters("{name: a, connect_timeout: \(text)}")).configuration
      .clusters.first
    let timeout = try #require(cluster?.connectTimeout)
    #expect(milliseconds == 0 ? timeout == .nanoseconds(1) : timeout == .milliseconds(milliseconds))
  }

  @Test(arguments: [
    "5", "5ms", "1h", "5 s", "s", ".5s", "5.s", "1.0000000001s", "-1s", "+5s", "0s", "1e3s",
    "9999999999999s", "99999999999999999999s", "[5s]",
  ])
  func wrongDurations(_ text: String) {
    #expect(errors(Piece.clusters("{name: a, connect_timeout: \(text)}")).count == 1)
  }

  @Test(arguments: [("aGk=", "hi"), ("aGk", "hi"), ("_-8=", "\u{fffd}\u{fffd}"), ("''", "")])
  func base64(_ text: String, _ expected: String) throws {
    let yaml = Piece.filters(
      Piece.networkFilter("direct_response.v3.Config", "response: {inline_bytes: \(text)}"))
    let configuration = try load(yaml).configuration
    guard
      case .directResponse(let bytes)? = configuration.listeners.first?.filterChains.first?.filters
        .first
    else {
      Issue.record("no filter")
      return
    }
    #expect(String(decoding: bytes, as: UTF8.self) == expected)
  }

  @Test(arguments: ["a", "aGk==", "a b c d", "!!!!"])
  func notBase64(_ text: String) {
    let yaml = Piece.filters(
      Piece.networkFilter("direct_response.v3.Config", "response: {inline_bytes: '\(text)'}"))
    #expect(errorLines(yaml).first?.contains("expected base64") == true)
  }

  @Test(arguments: [
    ("9223372036854775807", true), ("-9223372036854775808", true), ("\"123\"", true),
    ("9223372036854775808", false), ("1.5", false),
  ])
  func int64(_ text: String, _ fits: Bool) {
    let found = errorLines(
      Piece.routes(
        "{match: {prefix: /, headers: [{name: a, range_match: {start: \(text), end: "
          + "9223372036854775807}}]}, route: {cluster: c}}"
      ))
    #expect(found.isEmpty == fits, "\(found)")
  }

  @Test func wrapperMappings() throws {
    let listener = try load(Piece.listeners(Piece.listener("freebind: {value: true}")))
      .configuration.listeners.first
    #expect(listener?.freebind == true)
  }

  @Test func unknownFieldsMayBeAllowed() throws {
    let warnings = try warningLines(
      "node:\n  idd: a\nhds_config: {}\nstatic_resources: {clusters: [{name: a, health_checks: [{}]}]}",
      allowUnknown: true)
    #expect(
      warnings == [
        "2: node.idd: `idd` is not a field of Node; did you mean `id`?; ignored",
        "3: hds_config: `hds_config` is not supported: discovery over xDS is not in this version; ignored",
        "4: static_resources.clusters[0].health_checks: `health_checks` is not supported: health "
          + "checking is not in this version; ignored",
      ])
  }

  @Test func defaultsOfRefusedFieldsAreNotErrors() throws {
    let loaded = try load(
      Piece.manager(
        "route_config: {}, use_remote_address: false, access_log: [], merge_slashes: no, "
          + "xff_num_trusted_hops: 0, http2_protocol_options: null, via: ''"
      ))
    #expect(loaded.warnings.isEmpty)
    #expect(
      errors(
        Piece.manager(
          "route_config: {}, tracing: {}, proxy_status_config: {}, http3_protocol_options: {}, "
            + "http2_protocol_options: {}"
        )
      ).count == 4)
  }

  @Test func headerText() {
    #expect(
      errors(Piece.manager("route_config: {}, server_name: \"a\\nb\"")).map(\.message) == [
        "must not contain NUL, carriage return or line feed"
      ])
  }

  @Test func aLotOfFindingsIsBounded() {
    let clusters = (0..<5000).map { _ in "{nam: a}" }.joined(separator: ", ")
    do {
      _ = try ConfigurationLoader().load(yaml: Piece.clusters(clusters), name: "t")
      Issue.record("loaded")
    } catch { #expect(error.diagnostics.count <= 1001) }
  }
}
