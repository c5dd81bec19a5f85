// Route tables: domains, matches, actions.

import EnvoyConfiguration
import Model
import Testing

@Suite struct RouteTests {
  private func action(_ text: String) throws -> Route.Action? {
    try load(Piece.routes("{match: {prefix: /}, \(text)}")).configuration.firstRoute?.action
  }
  private func messages(_ text: String) -> [String] {
    errors(Piece.routes("{match: {prefix: /}, \(text)}")).map(\.message)
  }

  @Test func clusters() throws {
    #expect(try action("route: {cluster: c}") == .cluster(RouteAction(cluster: .single("c"))))
    #expect(
      messages("route: {cluster: e}") == ["the cluster \"e\" does not exist; did you mean \"c\"?"])
    #expect(messages("route: {cluster: nothing}") == ["the cluster \"nothing\" does not exist"])
    #expect(messages("route: {cluster: ''}") == ["must not be empty"])
    let unchecked = Piece.manager(
      "route_config: {validate_clusters: false, virtual_hosts: [{name: v, domains: [a], routes: "
        + "[{match: {prefix: /}, route: {cluster: e}}]}]}"
    )
    #expect(errors(unchecked).isEmpty)
  }

  @Test func weights() throws {
    let expected = ClusterWeights([.init(.name("c"), weight: 0), .init(.name("d"), weight: 3)])
    #expect(
      try action(
        "route: {weighted_clusters: {clusters: [{name: c, weight: 0}, {name: d, weight: 3}]}}")
        == .cluster(RouteAction(cluster: .weighted(expected))))
    #expect(
      messages("route: {weighted_clusters: {clusters: [{name: c, weight: 0}]}}") == [
        "the weights must add up to 1 or more"
      ])
    #expect(
      messages(
        "route: {weighted_clusters: {clusters: [{name: c, weight: 4294967295}, {name: d, weight: 1}]}}"
      ) == ["the weights add up to more than 4294967295"])
    #expect(
      messages("route: {weighted_clusters: {clusters: [{name: c, weight: 1}, {name: c}]}}") == [
        "is required"
      ])
    #expect(
      messages("route: {weighted_clusters: {clusters: [{weight: 1}]}}") == [
        "one of `name`, `cluster_header` is required"
      ])
    #expect(messages("route: {weighted_clusters: {clusters: []}}").count == 1)
    #expect(
      messages("route: {weighted_clusters: {clusters: [{name: gone, weight: 1}]}}") == [
        "the cluster \"gone\" does not exist"
      ])
  }

  @Test func timeouts() throws {
    guard
      case .cluster(let none)? = try action("route: {cluster: c, timeout: 0s, idle_timeout: 0s}"),
      case .cluster(let some)? = try action("route: {cluster: c, timeout: 1s, idle_timeout: 2s}"),
      case .cluster(let absent)? = try action("route: {cluster: c}")
    else {
      Issue.record("no route")
      return
    }
    #expect(none.timeout == nil)
    #expect(none.idleTimeout == .some(nil))
    #expect(some.timeout == .seconds(1))
    #expect(some.idleTimeout == .some(.seconds(2)))
    #expect(absent.timeout == .seconds(15))
    #expect(absent.idleTimeout == nil)
    #expect(messages("route: {cluster: c, timeout: -1s}").count == 1)
  }

  @Test func redirects() throws {
    #expect(try action("redirect: {}") == .redirect(Redirect()))
    var expected = Redirect()
    expected.scheme = .literal("http")
    expected.status = 308
    expected.port = 81
    expected.path = .replace("/a?b")
    #expect(
      try action(
        "redirect: {scheme_redirect: http, response_code: PERMANENT_REDIRECT, port_redirect: 81, "
          + "path_redirect: '/a?b'}"
      ) == .redirect(expected))
    #expect(messages("redirect: {port_redirect: 70000}").count == 1)
    #expect(messages("redirect: {response_code: 9}").count == 1)
    #expect(messages("redirect: {https_redirect: true, scheme_redirect: a}").count == 1)
    #expect(messages("redirect: {path_redirect: \"/a\\r\\nb: c\"}").count == 1)
  }

  @Test func directResponses() throws {
    #expect(
      try action("direct_response: {status: 204}")
        == .directResponse(DirectResponse(status: 204, body: [])))
    #expect(
      try action("direct_response: {status: 200, body: {inline_string: hi}}")
        == .directResponse(DirectResponse(status: 200, body: Array("hi".utf8))))
    #expect(messages("direct_response: {status: 199}").count == 1)
    #expect(messages("direct_response: {status: 600}").count == 1)
    #expect(messages("direct_response: {}").count == 1)
    #expect(messages("direct_response: {status: 200, body: {}}").count == 1)
    let text = String(repeating: "a", count: 4097)
    #expect(
      messages("direct_response: {status: 200, body: {inline_string: \(text)}}") == [
        "has 4097 bytes; the most is 4096"
      ])
  }

  @Test func actionsAreNeeded() {
    #expect(
      errors(Piece.routes("{match: {prefix: /}}")).map(\.message) == [
        "one of `route`, `redirect`, `direct_response`, `non_forwarding_action` is required"
      ])
    #expect(errors(Piece.routes("{route: {cluster: c}}")).map(\.message) == ["is required"])
    #expect(
      errors(Piece.routes("{match: {}, route: {cluster: c}}")).map(\.message) == [
        "one of `prefix`, `path`, `safe_regex`, `connect_matcher`, `path_separated_prefix`, `path_match_policy` is required"
      ])
    #expect(
      errors(Piece.routes("{match: {prefix: /}, route: {cluster: c}, redirect: {}}")).count == 1)
  }

  @Test func headers() throws {
    func matcher(_ text: String) throws -> HeaderMatcher? {
      try load(Piece.routes("{match: {prefix: /, headers: [\(text)]}, redirect: {}}")).configuration
        .firstRoute?.match.headers.first
    }
    #expect(try matcher("{name: X-A}") == HeaderMatcher(name: "x-a", kind: .present(true)))
    #expect(
      try matcher("{name: ':method', exact_match: GET}")
        == HeaderMatcher(name: ":method", kind: .exact("GET", ignoreCase: false)))
    #expect(
      try matcher("{name: a, exact_match: ''}")
        == HeaderMatcher(name: "a", kind: .exact("", ignoreCase: false)))
    #expect(
      try matcher("{name: a, range_match: {start: -5, end: 5}}")
        == HeaderMatcher(name: "a", kind: .range(lower: -5, upper: 5)))
    for text in [
      "{}", "{name: ''}", "{name: a, prefix_match: ''}", "{name: a, string_match: {}}",
      "{name: a, string_match: {prefix: ''}}",
      "{name: a, exact_match: b, prefix_match: c}", "{name: a, safe_regex_match: {regex: 'a('}}",
      "{name: \"a\\nb\"}",
    ] {
      #expect(
        errors(Piece.routes("{match: {prefix: /, headers: [\(text)]}, redirect: {}}")).count == 1,
        "\(text)")
    }
    #expect(
      try warningLines(
        Piece.routes(
          "{match: {prefix: /, headers: [{name: a, range_match: {start: 5, end: 1}}]}, redirect: {}}"
        )
      ).count == 1)
  }

  @Test func domains() throws {
    let loaded = try load(
      Piece.virtualHosts(
        "{name: v, domains: [Example.COM, '*.a', 'b.*', '*']}, {name: v, domains: ['*-c.d', 'e:80']}"
      ))
    #expect(
      loaded.configuration.manager?.routes.virtualHosts.map(\.domains) == [
        ["example.com", "*.a", "b.*", "*"], ["*-c.d", "e:80"],
      ])
    for (hosts, count) in [
      ("{name: v, domains: [a]}, {name: w, domains: [A]}", 1),
      ("{name: v, domains: ['*']}, {name: w, domains: ['*']}", 1),
      ("{name: v, domains: [a, a]}", 1), ("{name: v, domains: ['a*b', '*a*', '**', '']}", 4),
      ("{name: v, domains: []}", 1), ("{name: v}", 1), ("{domains: [a]}", 1),
    ] {
      #expect(errors(Piece.virtualHosts(hosts)).count == count, "\(hosts)")
    }
  }
}
