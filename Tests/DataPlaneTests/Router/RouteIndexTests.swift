// The index of a virtual host's routes against trying them in turn, over random tables; and how long
// a lookup takes in large ones.
import Model
import Testing

@testable import DataPlane

@Suite struct RouteIndexTests {
  private struct Table {
    let host: VirtualHostRuntime
    let inTurn: [RouteRuntime]
    let context: WorkerContext

    init(_ routes: [Route], ignoring: Bool = false) throws {
      context = try testContext()
      host = VirtualHostRuntime(
        model: VirtualHost(name: "h", domains: ["*"], routes: routes), ignorePathParameters: ignoring,
        context: context, clusters: { _ in nil })
      let context = context
      inTurn = routes.map { RouteRuntime(model: $0, context: context, clusters: { _ in nil }) }
    }

    func scan(_ head: MessageHead, ignoring: Bool) -> String? {
      var lookup = RouteLookup(head: head, ignorePathParameters: ignoring, context: context)
      return inTurn.first { $0.matches(&lookup) }?.name
    }
  }

  /// Few letters, so that texts meet.
  private static func text(_ random: inout SeededRandom, _ longest: Int) -> String {
    String(
      (0..<Int.random(in: 0...longest, using: &random)).map { _ in "aAb/;".randomElement(using: &random)! })
  }

  private static func match(_ random: inout SeededRandom) throws -> RouteMatch {
    let text = "/" + text(&random, 5)
    var match: RouteMatch
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<7: match = RouteMatch(path: .prefix(text))
    case 7..<14: match = RouteMatch(path: .exact(text))
    case 14..<17: match = RouteMatch(path: .separatedPrefix(text.hasSuffix("/") ? text + "a" : text))
    case 17: match = RouteMatch(path: .regex("/[ab]*/?a?"))
    case 18: match = RouteMatch(path: .template(try PathTemplate("/a/{x}")))
    default: match = RouteMatch(path: .connect)
    }
    match.caseSensitive = Int.random(in: 0..<3, using: &random) > 0
    if Int.random(in: 0..<4, using: &random) == 0 {
      var matcher = HeaderMatcher(name: "x-a", kind: .exact("1", ignoreCase: false))
      matcher.invert = Bool.random(using: &random)
      match.headers = [matcher]
    }
    if Int.random(in: 0..<6, using: &random) == 0 {
      match.queryParameters = [QueryParameterMatcher(name: "q", kind: .present(true))]
    }
    return match
  }

  @Test(arguments: 0..<60) func theIndexFindsWhatTryingInTurnFinds(_ seed: UInt64) throws {
    var random = SeededRandom(seed)
    let count = [2, 9, 30, 200][Int(seed % 4)]
    let ignoring = seed % 5 == 0
    let routes = try (0..<count).map { number in
      Route(
        name: "r\(number)", match: try Self.match(&random),
        action: .directResponse(DirectResponse(status: 200, body: [])))
    }
    let table = try Table(routes, ignoring: ignoring)
    let header = table.context.names.intern(bytes("x-a"))
    for _ in 0..<300 {
      let path = "/" + Self.text(&random, 7) + ["", "?", "?q", "?a=/&q=1"].randomElement(using: &random)!
      let head = MessageHead()
      head.method = Int.random(in: 0..<20, using: &random) == 0 ? .connect : .get
      withView(path) { view in
        withView(["1", "2"].randomElement(using: &random)!) { value in
          head.path = view
          if Bool.random(using: &random), let header { head.headers.add(header, "x-a", value: value) }
          let expected = table.scan(head, ignoring: ignoring)
          #expect(table.host.route(for: head)?.name == expected, "\(path) in \(routes.map(\.match))")
        }
      }
    }
  }

  /// The domains of random tables against Envoy's rule, said plainly.
  @Test(arguments: 0..<20) func virtualHosts(_ seed: UInt64) throws {
    var random = SeededRandom(seed)
    var taken = Set<String>()
    var hosts: [VirtualHost] = []
    for number in 0..<80 {
      let name = String(
        (0..<Int.random(in: 1...5, using: &random)).map { _ in "ab.".randomElement(using: &random)! })
      let domain = [name, "*" + name, name + "*", name][number % 4]
      if taken.insert(domain).inserted {
        hosts.append(VirtualHost(name: domain, domains: [domain], routes: []))
      }
    }
    let table = RouteTable(
      model: RouteConfiguration(virtualHosts: hosts), context: try testContext(), clusters: { _ in nil })
    for _ in 0..<500 {
      let host = String(
        (0..<Int.random(in: 0...7, using: &random)).map { _ in "abA.".randomElement(using: &random)! })
      let lower = host.lowercased()
      let suffixes = taken.filter {
        $0.hasPrefix("*") && $0 != "*" && lower.hasSuffix($0.dropFirst()) && lower.count >= $0.count
      }
      let prefixes = taken.filter {
        $0.hasSuffix("*") && $0 != "*" && lower.hasPrefix($0.dropLast()) && lower.count >= $0.count
      }
      let expected =
        taken.contains(lower)
        ? lower : suffixes.max { $0.count < $1.count } ?? prefixes.max { $0.count < $1.count }
      #expect(withView(host) { table.virtualHost(for: $0)?.name } == expected, "\(host)")
    }
  }

  @Test func manyRoutesUnderOnePrefix() throws {
    var routes = (0..<5000).map { number in
      Route(
        name: "r\(number)",
        match: RouteMatch(path: number % 2 == 0 ? .exact("/api/v\(number)") : .prefix("/api/v\(number)/")),
        action: .directResponse(DirectResponse(status: 200, body: [])))
    }
    routes.append(
      Route(
        name: "rest", match: RouteMatch(path: .prefix("/")),
        action: .directResponse(DirectResponse(status: 200, body: []))))
    let table = try Table(routes)
    for number in stride(from: 0, to: 5000, by: 7) {
      let head = MessageHead()
      let path = number % 2 == 0 ? "/api/v\(number)" : "/api/v\(number)/x?y"
      withView(path) {
        head.path = $0
        #expect(table.host.route(for: head)?.name == "r\(number)")
      }
    }
    let head = MessageHead()
    withView("/api/v12x") {
      head.path = $0
      #expect(table.host.route(for: head)?.name == "rest")
    }
  }
}
