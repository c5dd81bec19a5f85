// Finding the virtual host and the route (`config.route.v3`).
import Model
import Testing

@testable import DataPlane

@Suite struct RouteTableTests {
  private func route(_ name: String, _ match: RouteMatch) -> Route {
    Route(name: name, match: match, action: .directResponse(DirectResponse(status: 200, body: [])))
  }

  private func table(_ hosts: [(name: String, domains: [String])]) throws -> RouteTable {
    RouteTable(
      model: RouteConfiguration(
        virtualHosts: hosts.map { VirtualHost(name: $0.name, domains: $0.domains, routes: []) }),
      context: try testContext(), clusters: { _ in nil })
  }

  private func find(_ table: RouteTable, _ authority: String) -> String? {
    withView(authority) { table.virtualHost(for: $0)?.name }
  }

  @Test(arguments: [
    ("example.com", "exact"), ("EXAMPLE.com", "exact"), ("a.example.com", "suffix"),
    ("b.a.example.com", "long suffix"), ("x.b.a.example.com", "long suffix"),
    (".example.com", "all"), ("a.example.com.", "prefix a"), ("example.com:80", "with port"),
    ("example.com:81", "long prefix"), ("example.org", "prefix"), ("example.", "all"), ("a.org", "prefix a"),
    ("other", "all"), ("", "all"), ("api.example.com", "exact api"), ("xexample.com", "all"),
  ])
  func precedence(_ authority: String, _ host: String) throws {
    let table = try table([
      ("all", ["*"]), ("prefix", ["example.*"]), ("long prefix", ["example.com:*"]), ("prefix a", ["a.*"]),
      ("suffix", ["*.example.com"]), ("long suffix", ["*.a.example.com"]), ("exact", ["example.com"]),
      ("with port", ["example.com:80"]), ("exact api", ["api.example.com"]),
    ])
    #expect(find(table, authority) == host)
  }

  @Test func nobody() throws {
    let table = try table([("one", ["a.com", "*.b.com"])])
    #expect(find(table, "a.com") == "one")
    #expect(find(table, "c.com") == nil)
    #expect(find(table, String(repeating: "x", count: 600) + ".b.com") == "one")
    #expect(find(try self.table([]), "a") == nil)
  }

  @Test func thousandsOfDomains() throws {
    let table = try table((0..<3000).map { ("h\($0)", ["d\($0).com", "*.s\($0).com", "p\($0).*"]) })
    for index in stride(from: 0, to: 3000, by: 7) {
      #expect(find(table, "D\(index).com") == "h\(index)")
      #expect(find(table, "x.s\(index).com") == "h\(index)")
      #expect(find(table, "p\(index).net") == "h\(index)")
    }
    #expect(find(table, "d3000.com") == nil)
  }

  // MARK: Routes

  /// The name of the route that takes a request.
  private func taken(_ routes: [Route], _ request: String) throws -> String? {
    let context = try testContext()
    let host = VirtualHostRuntime(
      model: VirtualHost(name: "h", domains: ["*"], routes: routes), context: context,
      clusters: { _ in nil })
    let head = MessageHead()
    var input = bytes(request)
    return input.withUnsafeMutableBufferPointer { buffer in
      var parser = HTTP1HeadParser(.request)
      let outcome = parser.parse(
        buffer.baseAddress.unsafelyUnwrapped, buffer.count, into: head, names: context.names,
        limits: .init(maxBytes: 10_000, maxHeaders: 100))
      #expect(outcome == .complete(length: buffer.count))
      #expect(HTTP1FieldRules.checkRequest(head, options: .init()) == nil)
      return host.route(for: head)?.name
    }
  }

  private func get(_ path: String, _ fields: String = "") -> String {
    "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
  }

  @Test func theFirstThatMatchesIsTaken() throws {
    let routes = [
      route("exact", RouteMatch(path: .exact("/a"))), route("prefix", RouteMatch(path: .prefix("/a"))),
      route("longer", RouteMatch(path: .prefix("/a/b"))), route("root", RouteMatch(path: .prefix("/"))),
    ]
    #expect(try taken(routes, get("/a")) == "exact")
    #expect(try taken(routes, get("/a?q")) == "exact")
    #expect(try taken(routes, get("/a/b")) == "prefix")
    #expect(try taken(routes, get("/ab")) == "prefix")
    #expect(try taken(routes, get("/")) == "root")
    #expect(try taken(routes, get("/A")) == "root")
    #expect(try taken(Array(routes.prefix(3)), get("/x")) == nil)
    #expect(try taken(Array(routes.prefix(1)), get("/a/")) == nil)
  }

  @Test func theQueryTakesNoPart() throws {
    let routes = [route("q", RouteMatch(path: .prefix("/a?x"))), route("a", RouteMatch(path: .prefix("/a")))]
    #expect(try taken(routes, get("/a?x")) == "a")
  }

  @Test func lettersWithoutCase() throws {
    var match = RouteMatch(path: .prefix("/Ab"))
    match.caseSensitive = false
    #expect(try taken([route("r", match)], get("/aBc")) == "r")
    match.path = .exact("/aB")
    #expect(try taken([route("r", match)], get("/AB?x")) == "r")
    #expect(try taken([route("r", match)], get("/ABC")) == nil)
  }

  // MARK: Header matches

  private func matches(_ matcher: HeaderMatcher, _ fields: String, path: String = "/") throws -> Bool {
    var match = RouteMatch(path: .prefix("/"))
    match.headers = [matcher]
    return try taken([route("r", match)], get(path, fields)) == "r"
  }

  @Test(
    arguments: [
      (.exact("ab", ignoreCase: false), ["ab"], ["AB", "abc", "a", ""]),
      (.exact("aB", ignoreCase: true), ["ab", "AB"], ["abc"]),
      (.prefix("ab", ignoreCase: false), ["ab", "abc"], ["a", "Ab", "xab"]),
      (.prefix("AB", ignoreCase: true), ["abc", "Ab"], ["a"]),
      (.suffix("ab", ignoreCase: false), ["ab", "xab"], ["aB", "abx", "b"]),
      (.suffix("ab", ignoreCase: true), ["xAB"], ["abx"]),
      (.contains("ab", ignoreCase: false), ["ab", "xabx", "aab"], ["aB", "a", ""]),
      (.contains("ab", ignoreCase: true), ["xAbx"], ["a b"]),
      (
        .range(lower: -5, upper: 10), ["-5", "0", "9", "007"],
        ["10", "-6", "", "a", "1.0", "+1", "99999999999999999999"]
      ),
      (.present(true), ["", "x"], []),
      (.present(false), [], ["", "x"]),
    ] as [(HeaderMatcher.Kind, [String], [String])])
  func kinds(_ kind: HeaderMatcher.Kind, _ good: [String], _ bad: [String]) throws {
    let matcher = HeaderMatcher(name: "x-h", kind: kind)
    var inverted = matcher
    inverted.invert = true
    for value in good {
      #expect(try matches(matcher, "X-H: \(value)\r\n"), "\(value)")
      #expect(try !matches(inverted, "X-H: \(value)\r\n"), "\(value)")
    }
    for value in bad {
      #expect(try !matches(matcher, "X-H: \(value)\r\n"), "\(value)")
      #expect(try matches(inverted, "X-H: \(value)\r\n"), "\(value)")
    }
  }

  @Test func missingHeaders() throws {
    var matcher = HeaderMatcher(name: "x-h", kind: .exact("", ignoreCase: false))
    #expect(try !matches(matcher, ""))
    matcher.invert = true
    #expect(try !matches(matcher, ""))
    matcher.treatMissingAsEmpty = true
    #expect(try !matches(matcher, ""))
    matcher.invert = false
    #expect(try matches(matcher, ""))
    #expect(try matches(HeaderMatcher(name: "x-h", kind: .present(false)), ""))
    #expect(try !matches(HeaderMatcher(name: "x-h", kind: .present(true)), ""))
  }

  @Test func partsOfTheRequestLine() throws {
    #expect(try matches(HeaderMatcher(name: ":method", kind: .exact("GET", ignoreCase: false)), ""))
    #expect(try matches(HeaderMatcher(name: ":authority", kind: .exact("a", ignoreCase: false)), ""))
    #expect(try matches(HeaderMatcher(name: "host", kind: .exact("a", ignoreCase: false)), ""))
    let path = HeaderMatcher(name: ":path", kind: .suffix("?q", ignoreCase: false))
    #expect(try matches(path, "", path: "/x?q"))
    #expect(try matches(HeaderMatcher(name: ":scheme", kind: .exact("http", ignoreCase: false)), ""))
  }

  @Test func allMatchersMustMatch() throws {
    var match = RouteMatch(path: .prefix("/"))
    match.headers = [
      HeaderMatcher(name: "a", kind: .present(true)), HeaderMatcher(name: "b", kind: .present(true)),
    ]
    #expect(try taken([route("r", match)], get("/", "a: 1\r\n")) == nil)
    #expect(try taken([route("r", match)], get("/", "a: 1\r\nb: 2\r\n")) == "r")
  }

  @Test func weightedClustersByTheirShares() throws {
    let context = try testContext()
    let clusters = Dictionary(
      uniqueKeysWithValues: ["a", "b", "none"].map {
        ($0, ClusterRuntime(model: Cluster(name: $0, endpoints: []), context: context))
      })
    let weights = WeightedChoice(
      ClusterWeights([
        .init(.name("none"), weight: 0), .init(.name("a"), weight: 90), .init(.name("b"), weight: 10),
      ]), context: context, find: { clusters[$0] })
    let head = MessageHead()
    var counts: [String: Int] = [:]
    for _ in 0..<20_000 {
      let entry = weights.choose(head, context) { nil }
      counts[entry.target.find(head, context.clusterDirectory)?.model.name ?? "?", default: 0] += 1
    }
    #expect(counts["none"] == nil && counts["?"] == nil)
    #expect((1700...2300).contains(counts["b"] ?? 0))
  }
}
