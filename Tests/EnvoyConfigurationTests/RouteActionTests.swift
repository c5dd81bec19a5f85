// What routes do with requests: rewrites, mirrors, hashes, redirects that are followed.

import EnvoyConfiguration
import Model
import Testing

@Suite struct RouteActionTests {
  private func action(_ text: String, match: String = "prefix: /") throws -> RouteAction? {
    let route = try load(Piece.routes("{match: {\(match)}, route: {cluster: c, \(text)}}")).configuration
      .firstRoute
    guard case .cluster(let action)? = route?.action else { return nil }
    return action
  }
  private func messages(_ text: String, match: String = "prefix: /") -> [String] {
    errors(Piece.routes("{match: {\(match)}, route: {cluster: c, \(text)}}")).map(\.message)
  }
  private static let template =
    "path_match_policy: {name: t, typed_config: {\"@type\": "
    + "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: '/{a}'}}"
  private static func rewrite(_ text: String) -> String {
    "path_rewrite_policy: {name: t, typed_config: {\"@type\": "
      + "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig, "
      + "path_template_rewrite: '\(text)'}}"
  }
  private static let regex = "{pattern: {regex: '(a)'}, substitution: '\\1b'}"

  @Test func paths() throws {
    #expect(try action("prefix_rewrite: /x")?.pathRewrite == .prefix("/x"))
    #expect(
      try action("regex_rewrite: \(Self.regex)")?.pathRewrite
        == .regex(RegexSubstitution(pattern: "(a)", substitution: "\\1b")))
    let expected = PathRewrite.template(try PathTemplateRewrite("/x/{a}", variables: ["a"]))
    #expect(try action(Self.rewrite("/x/{a}"), match: Self.template)?.pathRewrite == expected)
    #expect(messages("prefix_rewrite: /x, regex_rewrite: \(Self.regex)").count == 1)
    #expect(messages("regex_rewrite: {pattern: {regex: a}, substitution: '\\1'}").count == 1)
    #expect(messages("regex_rewrite: {substitution: a}") == ["is required"])
    #expect(
      messages(Self.rewrite("/{b}"), match: Self.template) == [
        "`{b}` is not a variable of the match's template"
      ])
    #expect(messages(Self.rewrite("/b")) == ["it needs a match by `path_match_policy` with a template"])
    #expect(messages("prefix_rewrite: /", match: Self.template).count == 1)
  }

  @Test func hosts() throws {
    #expect(try action("host_rewrite_literal: a.b")?.hostRewrite == .literal("a.b"))
    #expect(try action("host_rewrite_header: X-A")?.hostRewrite == .header("x-a"))
    #expect(try action("auto_host_rewrite: true")?.hostRewrite == .endpoint)
    #expect(try action("auto_host_rewrite: false")?.hostRewrite == nil)
    #expect(
      try action("host_rewrite_path_regex: \(Self.regex)")?.hostRewrite
        == .pathRegex(RegexSubstitution(pattern: "(a)", substitution: "\\1b")))
    #expect(try action("append_x_forwarded_host: true")?.appendsForwardedHost == true)
    #expect(messages("host_rewrite_literal: a, auto_host_rewrite: true").count == 1)
  }

  @Test func mirrors() throws {
    var expected = MirrorPolicy(cluster: .name("d"))
    expected.appendsSuffix = false
    expected.fraction = RuntimeFraction(defaultValue: RuntimeShare(numerator: 5, denominator: 100), key: "k")
    #expect(
      try action(
        "request_mirror_policies: [{cluster: d, disable_shadow_host_suffix_append: true, "
          + "runtime_fraction: {default_value: {numerator: 5}, runtime_key: k}}, {cluster_header: X-M}]")?
        .mirrors
        == [expected, MirrorPolicy(cluster: .header("x-m"))])
    #expect(try action("timeout: 1s")?.mirrors == nil)
    for text in [
      "{}", "{cluster: gone}", "{cluster: d, cluster_header: x}", "{cluster: d, trace_sampled: true}",
    ] {
      #expect(messages("request_mirror_policies: [\(text)]").count == 1, "\(text)")
    }
  }

  @Test func hashes() throws {
    var terminal = HashPolicy(.header("x-h", nil))
    terminal.isTerminal = true
    #expect(
      try action(
        "hash_policy: [{header: {header_name: X-H}, terminal: true}, {cookie: {name: c}}, "
          + "{connection_properties: {source_ip: true}}, {connection_properties: {}}, {query_parameter: {name: q}}]"
      )?.hashPolicies
        == [terminal, HashPolicy(.cookie("c")), HashPolicy(.sourceIP), HashPolicy(.queryParameter("q"))])
    for text in ["{}", "{header: {}}", "{cookie: {ttl: 0s}}", "{filter_state: {key: a}}"] {
      #expect(messages("hash_policy: [\(text)]").count == 1, "\(text)")
    }
  }

  @Test func redirectsThatAreFollowed() throws {
    #expect(try action("internal_redirect_policy: {}")?.internalRedirect == InternalRedirect())
    var expected = InternalRedirect()
    expected.most = 3
    expected.statuses = [301, 308]
    expected.allowsCrossScheme = true
    expected.headersToCopy = ["x-a"]
    expected.predicates = [.previousRoutes]
    let text =
      "{max_internal_redirects: 3, redirect_response_codes: [301, 308, 200], allow_cross_scheme_redirect: true, "
      + "response_headers_to_copy: [X-A], predicates: [{name: p, typed_config: {\"@type\": "
      + "type.googleapis.com/envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig}}]}"
    #expect(try action("internal_redirect_policy: \(text)")?.internalRedirect == expected)
    for text in [
      "{response_headers_to_copy: [Host]}", "{response_headers_to_copy: [':path']}",
      "{predicates: [{name: p}]}",
    ] {
      #expect(messages("internal_redirect_policy: \(text)").count == 1, "\(text)")
    }
  }

  @Test func hostsAndTables() throws {
    let host = try load(
      Piece.virtualHosts(
        "{name: v, domains: [a], require_tls: ALL, request_mirror_policies: [{cluster: c}], routes: "
          + "[{match: {prefix: /}, non_forwarding_action: {}}]}")
    ).configuration.manager?.routes.virtualHosts.first
    #expect(host?.requireTLS == .all)
    #expect(host?.mirrors == [MirrorPolicy(cluster: .name("c"))])
    #expect(host?.routes.first?.action == .nonForwarding)
  }

  @Test func layers() throws {
    let loaded = try load(
      "layered_runtime: {layers: [{name: s, static_layer: {a: 1}}, {name: d, disk_layer: {symlink_root: /r, "
        + "subdirectory: s, append_service_cluster: true}}, {name: a, admin_layer: {}}]}")
    #expect(
      loaded.configuration.runtimeLayers == [
        RuntimeLayer(name: "s", source: .fixed(["a": RuntimeValue(text: "1", number: 1)])),
        RuntimeLayer(name: "d", source: .disk(directory: "/r/s", appendsCluster: true)),
        RuntimeLayer(name: "a", source: .admin),
      ])
    #expect(errors("layered_runtime: {layers: [{name: a, disk_layer: {}}]}").count == 1)
  }
}
