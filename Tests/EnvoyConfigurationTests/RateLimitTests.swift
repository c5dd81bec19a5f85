// Rules of rate limits: what they mean, of routes and of filters, and what is refused with which words.

import EnvoyConfiguration
import Model
import Testing

@Suite struct RateLimitTests {
  private func rules(_ text: String) throws -> [RateLimit] {
    let yaml = Piece.routes("{match: {prefix: /}, route: {cluster: c, rate_limits: [\(text)]}}")
    guard case .cluster(let action)? = try load(yaml).configuration.firstRoute?.action else { return [] }
    return action.rateLimits
  }

  private func actions(_ text: String) throws -> [RateLimit.Action] {
    try rules("{actions: [\(text)]}").flatMap(\.actions)
  }

  private func problems(_ text: String) -> [String] {
    errors(Piece.routes("{match: {prefix: /}, route: {cluster: c, rate_limits: [\(text)]}}")).map {
      "\($0.path.split(separator: "rate_limits").last ?? ""): \($0.message)"
    }
  }

  @Test func meanings() throws {
    #expect(
      try actions("{source_cluster: {}}, {destination_cluster: {}}, {remote_address: {}}")
        == [.sourceCluster, .destinationCluster, .remoteAddress])
    #expect(
      try actions("{request_headers: {header_name: X-A, descriptor_key: K}}")
        == [.header(name: "x-a", key: "K", isOptional: false)])
    #expect(
      try actions("{query_parameters: {query_parameter_name: A, descriptor_key: K, skip_if_absent: true}}")
        == [.queryParameter(name: "A", key: "K", isOptional: true)])
    #expect(try actions("{masked_remote_address: {}}") == [.maskedRemoteAddress(v4: 32, v6: 128)])
    #expect(
      try actions("{masked_remote_address: {v4_prefix_mask_len: 0}}") == [
        .maskedRemoteAddress(v4: 0, v6: 128)
      ])
    #expect(
      try actions("{generic_key: {descriptor_value: v}}") == [.fixed(key: "generic_key", value: "v")])
    #expect(
      try actions("{header_value_match: {descriptor_value: v, headers: [{name: A}]}}")
        == [
          .headerMatch(
            key: "header_match", value: "v", expected: true,
            headers: [HeaderMatcher(name: "a", kind: .present(true))])
        ])
    #expect(
      try actions(
        "{remote_address_match: {descriptor_value: v, address_matcher: "
          + "{ranges: [{address_prefix: 10.1.2.3, prefix_len: 8}]}}}")
        == [
          .remoteAddressMatch(
            key: "remote_address_match", value: "v",
            ranges: [AddressPrefix(address: IPAddress(v4: 0x0a00_0000), length: 8)], invert: false)
        ])
    #expect(
      try actions("{metadata: {descriptor_key: k, metadata_key: {key: a, path: [{key: b}, {key: c}]}}}")
        == [.metadata(key: "k", source: .dynamic, path: ["a", "b", "c"], otherwise: "", isOptional: false)])
  }

  @Test func rulesOfRoutesWarn() throws {
    let yaml = Piece.routes(
      "{match: {prefix: /}, route: {cluster: c, rate_limits: [{actions: [{remote_address: {}}], "
        + "hits_addend: {number: 2}, apply_on_stream_done: true}]}}")
    let found = try warningLines(yaml)
    #expect(found.count == 2 && found[0].contains("rate_limits[0].hits_addend: has no effect here"))
    #expect(found.count == 2 && found[1].contains("rate_limits[0].apply_on_stream_done: has no effect here"))
  }

  @Test(arguments: [
    ("{}", "[0].actions: "), ("{actions: [{}]}", "[0].actions[0]: "),
    ("{actions: [{remote_address: {}}], stage: 11}", "[0].stage: "),
    ("{actions: [{extension: {name: a}}]}", "[0].actions[0]"),
    (
      "{actions: [{header_value_match: {descriptor_value: v, headers: [{name: a, safe_regex_match: {regex: '('}}]}}]}",
      "[0].actions[0].header_value_match.headers[0].safe_regex_match.regex: "
    ),
    (
      "{actions: [{remote_address_match: {descriptor_value: v, address_matcher: {ranges: [{address_prefix: x}]}}}]}",
      "[0].actions[0].remote_address_match.address_matcher.ranges[0].address_prefix: "
    ),
    (
      "{actions: [{metadata: {descriptor_key: k, source: CLUSTER_LOCALITY_ENTRY, metadata_key: {key: a, path: [{key: b}]}}}]}",
      "[0].actions[0].metadata.source: "
    ),
    ("{actions: [{remote_address: {}}], hits_addend: {}}", "[0].hits_addend: "),
    (
      "{actions: [{remote_address: {}}], hits_addend: {format: '%BYTES_SENT%x%BYTES_SENT%'}}",
      "[0].hits_addend.format: "
    ),
    ("{actions: [{remote_address: {}}], limit: {}}", "[0].limit: "),
  ])
  func refused(_ rule: String, _ place: String) {
    let found = problems(rule)
    #expect(found.count == 1 && found[0].hasPrefix(place), "\(found)")
  }

  // MARK: rules that a filter brings

  private func read(_ messages: String...) -> RateLimitOutcome {
    FilterRateLimits.read(messages.map { Array($0.utf8) }, isJSON: true)
  }

  @Test func ofAFilter() {
    let outcome = read(
      #"{"actions": [{"remote_address": {}}], "hits_addend": {"number": "3", "is_negative_hits": true}}"#,
      #"{"actions": [{"generic_key": {"descriptor_value": "v"}}], "apply_on_stream_done": true}"#)
    #expect(outcome.errors.isEmpty && outcome.warnings.isEmpty && outcome.rules.count == 2)
    #expect(outcome.rules.first?.hits?.count == .number(3) && outcome.rules.first?.hits?.isNegative == true)
    #expect(outcome.rules.last?.appliesAtEnd == true)
  }

  @Test func ofAFilterInTheWireFormat() {
    // actions { remote_address {} }, and a field that no message has.
    let outcome = FilterRateLimits.read([[0x1a, 2, 0x22, 0]], isJSON: false)
    #expect(outcome.errors.isEmpty && outcome.rules == [RateLimit([.remoteAddress])])
    #expect(FilterRateLimits.read([[0x1a, 0]], isJSON: false).errors.map(\.path) == ["[0].actions[0]"])
    #expect(FilterRateLimits.read([[0xff]], isJSON: false).errors.map(\.path) == ["[0]"])
  }

  @Test(arguments: [
    ("{", "[1]"), ("3", "[1]"), ("{}", "[1].actions"), (#"{"actions": [{"a": {}}]}"#, "[1].actions[0].a"),
    (#"{"actions": [{"remote_address": {}}], "stage": 1}"#, "[1].stage"),
    (#"{"actions": [{"remote_address": {}}], "disable_key": "k"}"#, "[1].disable_key"),
  ])
  func refusedOfAFilter(_ text: String, _ place: String) {
    let outcome = read(#"{"actions": [{"remote_address": {}}]}"#, text)
    #expect(outcome.errors.map(\.path) == [place], "\(outcome.errors)")
  }
}
