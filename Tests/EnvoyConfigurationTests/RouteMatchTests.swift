// What a route asks of a request: expressions, templates, query parameters, shares.

import EnvoyConfiguration
import Model
import Testing

@Suite struct RouteMatchTests {
  private func match(_ text: String) throws -> RouteMatch? {
    try load(Piece.routes("{match: {\(text)}, redirect: {}}")).configuration.firstRoute?.match
  }
  private func findings(_ text: String) -> [String] {
    errors(Piece.routes("{match: {\(text)}, redirect: {}}")).map { "\($0.path): \($0.message)" }
  }
  private static let route =
    "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].match"
  private static func template(_ text: String) -> String {
    "path_match_policy: {name: t, typed_config: {\"@type\": "
      + "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: '\(text)'}}"
  }

  @Test func paths() throws {
    #expect(try match("safe_regex: {regex: '/a+'}")?.path == .regex("/a+"))
    #expect(try match("path_separated_prefix: /a")?.path == .separatedPrefix("/a"))
    #expect(try match("connect_matcher: {}")?.path == .connect)
    #expect(try match(Self.template("/a/{b}"))?.path == .template(try PathTemplate("/a/{b}")))
  }

  @Test func pathsThatAreWrong() {
    #expect(
      findings("safe_regex: {regex: 'a('}") == [
        "\(Self.route).safe_regex.regex: not a regular expression of RE2: missing ): a("
      ])
    #expect(
      findings("safe_regex: {}") == ["\(Self.route).safe_regex.regex: is required and must not be empty"])
    for text in ["/a/", "/", "", "/a?b", "/a#"] {
      #expect(findings("path_separated_prefix: '\(text)'").count == 1, "\(text)")
    }
    #expect(
      findings(Self.template("/{a}/{a}")) == [
        "\(Self.route).path_match_policy.typed_config.path_template: the variable `a` stands there twice"
      ])
    #expect(findings(Self.template("")).count == 1)
    #expect(
      findings("path_match_policy: {name: t, typed_config: {\"@type\": x/a.B}}").first?.contains(
        "is not supported") == true)
    #expect(
      findings("path_match_policy: {name: t}") == [
        "\(Self.route).path_match_policy.typed_config: is required"
      ])
    #expect(findings("safe_regex: {regex: abcdef, google_re2: {max_program_size: 1}}").count == 1)
    #expect(
      findings("prefix: /, filter_state: [{key: k, address_match: {}}]").first?.contains("stores addresses")
        == true)
    #expect(
      findings(
        "prefix: /, dynamic_metadata: [{filter: f, path: [{key: k}], value: {string_match: {safe_regex: {regex: '('}}}}]"
      ).count == 1)
  }

  @Test func stored() throws {
    let found = try match(
      "prefix: /, dynamic_metadata: [{filter: f, path: [{key: a}, {key: b}], invert: true, "
        + "value: {or_match: {value_matchers: [{double_match: {range: {start: 1, end: 2}}}, "
        + "{list_match: {one_of: {string_match: {exact: x}}}}]}}}], "
        + "filter_state: [{key: k, string_match: {prefix: p}}]")
    var expected = MetadataMatcher(
      namespace: "f", path: ["a", "b"],
      value: .any([.range(lower: 1, upper: 2), .element(.string(StringMatcher(.exact("x"))))]))
    expected.invert = true
    #expect(found?.metadata == [expected])
    #expect(found?.filterState == [FilterStateMatcher(key: "k", text: StringMatcher(.prefix("p")))])
  }

  @Test func conditions() throws {
    let found = try match(
      "prefix: /, grpc: {}, tls_context: {presented: true}, query_parameters: [{name: A}, {name: b, present_match: false}, "
        + "{name: c, string_match: {prefix: x, ignore_case: true}}], "
        + "runtime_fraction: {default_value: {numerator: 7, denominator: TEN_THOUSAND}, runtime_key: k}")
    #expect(found?.isGRPC == true)
    #expect(found?.tls == RouteMatch.TLSMatch(presented: true, validated: nil))
    #expect(
      found?.queryParameters == [
        QueryParameterMatcher(name: "A", kind: .present(true)),
        QueryParameterMatcher(name: "b", kind: .present(false)),
        QueryParameterMatcher(name: "c", kind: .string(StringMatcher(.prefix("x"), ignoreCase: true))),
      ])
    #expect(
      found?.runtimeFraction
        == RuntimeFraction(defaultValue: RuntimeShare(numerator: 7, denominator: 10_000), key: "k"))
    for text in [
      "query_parameters: [{}]", "query_parameters: [{name: a, string_match: {}}]", "runtime_fraction: {}",
      "query_parameters: [{name: a, string_match: {safe_regex: {regex: '['}}}]",
      "headers: [{name: a, string_match: {safe_regex: {regex: a}, ignore_case: true}}]",
    ] { #expect(findings("prefix: /, \(text)").count == 1, "\(text)") }
  }

  @Test func runtimeValues() throws {
    let loaded = try load(
      "layered_runtime: {layers: [{name: a, static_layer: {x: {y: 5, z: {numerator: 3, denominator: MILLION}}, f: true, t: '12'}}]}"
    )
    #expect(
      loaded.configuration.runtime == [
        "x.y": RuntimeValue(text: "5", number: 5), "f": RuntimeValue(text: "true", boolean: true),
        "t": RuntimeValue(text: "12", number: 12),
        "x.z": RuntimeValue(
          text: #"{"numerator":3,"denominator":"MILLION"}"#,
          share: RuntimeShare(numerator: 3, denominator: 1_000_000)),
      ])
  }
}
