// Header mutation under a host of C tables: every action, levels, conditions, substitution, errors.
import EnvoyMatchers
import MartletTestHost
import SwiftProtobuf
import Testing

@testable import HeaderMutation

typealias Own = Martlet_Filters_Http_HeaderMutation_V1_Mutation
typealias Envoy = Envoy_Config_Common_MutationRules_V3_HeaderMutation
typealias Option = Envoy_Config_Core_V3_HeaderValueOption

@Suite(.serialized)
struct HeaderMutationTests {
  let host = TestHost()
  private let filter = "envoy.filters.http.header_mutation"

  private func plugin() throws -> TestPlugin { try host.open(headerMutationPlugin()) }

  private func own(_ fill: (inout OwnMutations) -> Void) throws -> TestConfiguration {
    let message = Martlet_Filters_Http_HeaderMutation_V1_HeaderMutation.with { fill(&$0.mutations) }
    return try TestConfiguration(
      plugin(), http: filter, type: "martlet.filters.http.header_mutation.v1.HeaderMutation",
      encoding: 1, message.serializedBytes())
  }

  private func envoy(
    mostSpecificWins: Bool = false,
    _ fill: (inout Envoy_Extensions_Filters_Http_HeaderMutation_V3_Mutations) -> Void
  ) throws -> TestConfiguration {
    let message = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutation.with {
      fill(&$0.mutations)
      $0.mostSpecificHeaderMutationsWins = mostSpecificWins
    }
    return try TestConfiguration(
      plugin(), http: filter, type: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
      encoding: 1, message.serializedBytes())
  }

  private func route(_ mutation: Envoy) throws -> TestConfiguration {
    let message = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutationPerRoute.with {
      $0.mutations.requestMutations = [mutation]
    }
    return try TestConfiguration(
      plugin(), route: filter,
      type: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute", encoding: 1,
      message.serializedBytes())
  }

  private func add(
    _ name: String, _ value: String, _ action: Option.HeaderAppendAction = .appendIfExistsOrAdd,
    keepsEmpty: Bool = false
  ) -> Envoy {
    .with {
      $0.append.header.key = name
      $0.append.header.value = value
      $0.append.appendAction = action
      $0.append.keepEmptyValue = keepsEmpty
    }
  }

  /// The request's fields after the filter, without those of the start line.
  private func request(_ mutations: [Envoy], _ fields: [TestField]) throws -> [TestField] {
    let configuration = try envoy { $0.requestMutations = mutations }
    let stream = TestStream(configuration, fields)
    #expect(stream.requestHeaders() == 0)
    defer {
      stream.end()
      configuration.destroy()
    }
    return stream.fields(0)
  }

  @Test(arguments: [
    (Option.HeaderAppendAction.appendIfExistsOrAdd, ["1", "2", "n"], ["n"]),
    (.addIfAbsent, ["1", "2"], ["n"]),
    (.overwriteIfExistsOrAdd, ["n"], ["n"]), (.overwriteIfExists, ["n"], []),
  ])
  func actions(_ action: Option.HeaderAppendAction, _ there: [String], _ absent: [String]) throws {
    let fields = try request(
      [add("X-A", "n", action), add("x-b", "n", action)], [TestField("x-a", "1"), TestField("x-a", "2")])
    #expect(fields.filter { $0.name == "x-a" }.map(\.value) == there)
    #expect(fields.filter { $0.name == "x-b" }.map(\.value) == absent)
  }

  @Test func fieldsOfOneLineAreJoined() throws {
    let fields = try request(
      [add("User-Agent", "b"), add("cookie", "c")], [TestField("user-agent", "a"), TestField("cookie", "d")])
    #expect(fields == [TestField("user-agent", "a,b"), TestField("cookie", "d"), TestField("cookie", "c")])
  }

  @Test func emptyValues() throws {
    let fields = try request(
      [add("x-a", "%REQ(no)%"), add("x-b", "", keepsEmpty: true), add("x-c", "", .overwriteIfExistsOrAdd)],
      [TestField("x-c", "1")])
    #expect(fields == [TestField("x-c", "1"), TestField("x-b", "")])
  }

  @Test func eachSeesWhatThoseBeforeItHaveDone() throws {
    let fields = try request(
      [add("x-a", "1"), add("x-b", "<%REQ(x-a)%>"), .with { $0.remove = "X-A" }, add("x-c", "<%REQ(x-a)%>")],
      [])
    #expect(fields == [TestField("x-b", "<1>"), TestField("x-c", "<>")])
  }

  @Test func removeOnMatch() throws {
    let mutation = Envoy.with {
      $0.removeOnMatch.keyMatcher.prefix = "X-Secret"
      $0.removeOnMatch.keyMatcher.ignoreCase = true
    }
    let fields = try request(
      [mutation],
      [
        TestField("x-secret-a", "1"), TestField("x-b", "2"), TestField("x-secret-a", "3"),
        TestField("x-secret", "4"),
      ])
    #expect(fields == [TestField("x-b", "2")])
  }

  @Test func responsesAndTrailers() throws {
    let configuration = try envoy {
      $0.responseMutations = [add("x-r", "%RESP(x-up)% %REQ(x-q)%")]
      $0.requestTrailersMutations = [add("x-t", "1")]
      $0.responseTrailersMutations = [.with { $0.remove = "x-gone" }]
    }
    let stream = TestStream(configuration, [TestField("x-q", "q")])
    #expect(stream.requestHeaders(end: false) == 0 && stream.requestTrailers([]) == 0)
    #expect(stream.responseHeaders([TestField("x-up", "u")], end: false) == 0)
    #expect(stream.responseTrailers([TestField("x-gone", "1")]) == 0)
    #expect(
      stream.values("x-r", 2) == ["u q"] && stream.values("x-t", 1) == ["1"] && stream.fields(3).isEmpty)
    stream.end()
    configuration.destroy()
  }

  @Test(arguments: [(false, ["filter", "route", "host"]), (true, ["filter", "host", "route"])])
  func levels(_ mostSpecificWins: Bool, _ order: [String]) throws {
    let configuration = try envoy(mostSpecificWins: mostSpecificWins) {
      $0.requestMutations = [add("x-l", "filter")]
    }
    let stream = TestStream(configuration)
    stream.routes = [try route(add("x-l", "route")), try route(add("x-l", "host"))]
    _ = stream.requestHeaders()
    #expect(stream.values("x-l", 0) == order)
    stream.end()
    configuration.destroy()
  }

  @Test(arguments: [
    ("/p?b=2&a=1&b=3", "c", "9", 0, "/p?b=2&a=1&b=3&c=9"),
    ("/p", "a b", "&=#?/ é", 0, "/p?a%20b=%26%3D%23%3F%2F%20%C3%A9"),
    ("/p?a=1", "a", "9", 1, "/p?a=1"), ("/p?x", "a", "9", 1, "/p?x&a=9"),
    ("/p?b=2&a=1&b=3", "b", "9", 2, "/p?b=9&a=1"), ("/p?x=a%2Fb%26c", "b", "9", 2, "/p?x=a%2Fb%26c&b=9"),
    ("/p?%62=2", "b", "9", 3, "/p?b=9"), ("/p?x=1", "b", "9", 3, "/p?x=1"), ("/p?", "b", "9", 0, "/p?b=9"),
  ])
  func query(_ path: String, _ key: String, _ value: String, _ action: Int, _ expected: String) throws {
    let configuration = try envoy {
      $0.queryParameterMutations = [
        .with {
          $0.append.record.key = key
          $0.append.record.value = .with { $0.stringValue = value }
          $0.append.action = .init(rawValue: action)!
        }
      ]
    }
    let stream = TestStream(configuration, [TestField(":path", path)])
    _ = stream.requestHeaders()
    #expect(stream.values(":path", 0) == [expected])
    stream.end()
    configuration.destroy()
  }

  @Test(arguments: [("/p?b=2&a=1&b=3", "/p?a=1"), ("/p?b=1", "/p"), ("/p?bb=1", "/p?bb=1"), ("/p?b", "/p")])
  func queryRemoval(_ path: String, _ expected: String) throws {
    let configuration = try envoy { $0.queryParameterMutations = [.with { $0.remove = "b" }] }
    let stream = TestStream(configuration, [TestField(":path", path)])
    _ = stream.requestHeaders()
    #expect(stream.values(":path", 0) == [expected])
    stream.end()
    configuration.destroy()
  }

  @Test func conditions() throws {
    func conditional(_ name: String, _ fill: (inout Martlet_Filters_Http_HeaderMutation_V1_Condition) -> Void)
      -> Own
    {
      .with {
        $0.header = add(name, "1")
        fill(&$0.when)
      }
    }
    let present = Envoy_Config_Route_V3_HeaderMatcher.with {
      $0.name = "x-a"
      $0.stringMatch.exact = "yes"
    }
    host.randomBits = 50
    let configuration = try own {
      $0.requestMutations = [
        conditional("x-if") { $0.requestHeaders = [present] },
        conditional("x-unless") {
          $0.requestHeaders = [present]
          $0.invert = true
        },
        conditional("x-share") { $0.runtimeFraction.defaultValue.numerator = 51 },
        conditional("x-no-share") { $0.runtimeFraction.defaultValue.numerator = 50 },
      ]
      $0.responseMutations = [
        conditional("x-error") {
          $0.responseHeaders = [
            .with {
              $0.name = ":status"
              $0.rangeMatch.start = 500
              $0.rangeMatch.end = 600
            }
          ]
        }
      ]
    }
    let stream = TestStream(configuration, [TestField("x-a", "no"), TestField("x-a", "yes")])
    _ = stream.requestHeaders()
    #expect(stream.fields(0).dropFirst(2).map(\.name) == ["x-if", "x-share"])
    _ = stream.responseHeaders([TestField(":status", "503")])
    #expect(stream.values("x-error", 2) == ["1"])
    stream.end()
    let fine = TestStream(configuration)
    _ = fine.requestHeaders()
    #expect(fine.fields(0).map(\.name) == ["x-unless", "x-share"])
    _ = fine.responseHeaders([TestField(":status", "499")])
    #expect(fine.values("x-error", 2) == [])
    fine.end()
    configuration.destroy()
  }

  @Test func substitution() throws {
    func substitute(_ name: String, _ pattern: String, _ substitution: String) -> Own {
      .with {
        $0.substitute.header = name
        $0.substitute.rewrite.pattern.regex = pattern
        $0.substitute.rewrite.substitution = substitution
      }
    }
    let configuration = try own {
      $0.requestMutations = [
        substitute("x-card", "[0-9]{4}-([0-9]{4})", "****-\\1"), substitute(":path", "^/old/", "/new/"),
        substitute("x-none", "a", "b"), substitute("x-percent", "a", "100%"),
      ]
    }
    let stream = TestStream(
      configuration,
      [
        TestField(":path", "/old/x"), TestField("x-card", "1234-5678"), TestField("x-card", "no"),
        TestField("x-percent", "a"),
      ])
    _ = stream.requestHeaders()
    #expect(stream.values("x-card", 0) == ["****-5678", "no"] && stream.values(":path", 0) == ["/new/x"])
    #expect(stream.values("x-none", 0) == [] && stream.values("x-percent", 0) == ["100%"])
    stream.end()
    configuration.destroy()
  }

  @Test(arguments: [":path", "Host", "transfer-encoding", "content-length", "Connection"])
  func namesThatCannotBeSet(_ name: String) throws {
    #expect {
      try envoy { $0.responseMutations = [add("x", "1"), add(name, "1")] }
    } throws: { error in
      (error as? TestRefusal)?.findings.map(\.path) == ["mutations.response_mutations[1].append.header.key"]
    }
  }

  @Test func pathsInErrors() throws {
    func refused(_ expected: String, _ make: () throws -> TestConfiguration) {
      #expect {
        try make()
      } throws: { error in (error as? TestRefusal)?.findings.map(\.path) == [expected] }
    }
    refused("mutations.request_mutations[0].append.header.value") {
      try envoy { $0.requestMutations = [add("x", "%BAD%")] }
    }
    refused("mutations.request_mutations[0].append") {
      try envoy {
        var both = add("x", "1", .addIfAbsent)
        both.append.append = .init(true)
        $0.requestMutations = [both]
      }
    }
    refused("mutations.query_parameter_mutations[0].append.record.value") {
      try envoy { $0.queryParameterMutations = [.with { $0.append.record.value = 7 }] }
    }
    refused("mutations.query_parameter_mutations[0]") {
      try envoy { $0.queryParameterMutations = [.init()] }
    }
    refused("mutations.request_mutations[0].header.remove") {
      try own { $0.requestMutations = [.with { $0.header.remove = ":method" }] }
    }
    refused("mutations.request_mutations[0].when.response_headers") {
      try own {
        $0.requestMutations = [
          .with {
            $0.header.remove = "x"
            $0.when.responseHeaders = [.with { $0.name = "y" }]
          }
        ]
      }
    }
    refused("mutations.request_mutations[0].substitute.rewrite.pattern.regex") {
      try own {
        $0.requestMutations = [
          .with {
            $0.substitute.header = "x"; $0.substitute.rewrite.pattern.regex = "("
          }
        ]
      }
    }
  }
}
