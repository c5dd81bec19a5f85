// The SDK under a host of C tables: what filters do reaches the host, and the other way round.
import CMartletABI
@testable import MartletSDK
import MartletTestHost
import Testing

@Suite(.serialized)
struct SDKTests {
  let host = TestHost()

  private func plugin() throws -> TestPlugin { try host.open(martletPlugin(0)) }

  private func everything(_ json: String = "{}") throws -> TestConfiguration {
    try TestConfiguration(plugin(), http: "test.everything", Array(json.utf8))
  }

  private func refusal(_ name: String, _ json: String) throws -> [TestFinding] {
    do {
      _ = try TestConfiguration(plugin(), http: name, Array(json.utf8))
      return []
    } catch let refusal as TestRefusal { return refusal.findings }
  }

  @Test func descriptor() throws {
    let plugin = try plugin()
    #expect((plugin.id, plugin.version) == ("test.plugin", "1.2.3"))
    let info = try plugin.httpFilter("test.greeting").pointee.info.pointee
    #expect(String(cString: info.type_names[0]!) == "test.Greeting" && info.type_names[1] == nil)
    #expect(info.descriptors.size == 0)
    #expect(try plugin.networkFilter("test.shout").pointee.info.pointee.flags == MARTLET_FILTER_TERMINAL)
  }

  @Test func hooksThatAFilterDoesNotListAreNull() throws {
    let table = try plugin().httpFilter("test.greeting").pointee
    #expect(table.on_response_headers != nil)
    #expect(table.on_request_headers == nil && table.on_request_body == nil && table.on_response_body == nil)
    #expect(
      table.on_timer == nil && table.on_wake == nil && table.on_complete == nil
        && table.on_back_pressure == nil)
  }

  @Test func aGreeting() throws {
    let configuration = try TestConfiguration(
      plugin(), http: "test.greeting", Array(#"{"text": "hello"}"#.utf8))
    let stream = TestStream(configuration)
    #expect(
      stream.responseHeaders([TestField(":status", "200"), TestField("x-greeting", "old")])
        == MARTLET_CONTINUE)
    #expect(stream.values("x-greeting", MARTLET_RESPONSE_HEADERS) == ["hello"])
    #expect(host.metric("http.test.greeted") == 1)
    stream.end()
    configuration.destroy()
  }

  @Test(arguments: [
    (#"{"text": "a", "tex": 1}"#, "tex", "there is no such field"),
    (#"{}"#, "text", "a value is required"),
    (#"{"text": 7}"#, "text", "expected text, found a number"),
    (#"{"text": "a", "tags": ["x", 2]}"#, "tags[1]", "expected text, found a number"),
    (
      #"{"text": "a", "nested": {"deep": 300}}"#, "nested.deep",
      "expected a whole number from 0 to 255, found 300"
    ),
    (#"{"text": "a", "nested": {"deep": 3, "more": 0}}"#, "nested.more", "there is no such field"),
    (#"{"text": "a",}"#, "", "JSON: expected a key at byte 13"),
    (#"[1]"#, "", "expected an object, found a list"),
  ])
  func jsonErrors(_ json: String, _ path: String, _ message: String) throws {
    #expect(try refusal("test.greeting", json) == [TestFinding(path: path, message: message)])
  }

  @Test func formatOperators() throws {
    let configuration = try TestConfiguration(
      plugin(), formatter: "test.words", Array(#"{"between": "-"}"#.utf8))
    let twice = try TestOperator(configuration, "TWICE", argument: "%REQ(x-a)%")
    let count = try TestOperator(configuration, "COUNT", argument: "%REQ(x-a)%")
    #expect((twice.kind, count.kind) == (MARTLET_VALUE_TEXT, MARTLET_VALUE_NUMBER))
    let stream = TestStream(configuration, [TestField("x-a", "word")])
    #expect(twice.value(stream) == "word-word!")
    #expect(count.value(stream) == "4")
    #expect(host.metric("words.written") == 2)
    let long = TestStream(configuration, [TestField("x-a", String(repeating: "x", count: 1000))])
    #expect(twice.value(long)?.count == 2002)
    #expect(twice.value(TestStream(configuration)) == nil)
    twice.destroy()
    count.destroy()
    configuration.destroy()
  }

  @Test func formatOperatorsThatAreRefused() throws {
    let plugin = try plugin()
    func findings(_ name: String, _ argument: String?) throws -> [TestFinding] {
      let configuration = try TestConfiguration(
        plugin, formatter: "test.words", Array(#"{"between": ""}"#.utf8))
      defer { configuration.destroy() }
      do {
        _ = try TestOperator(configuration, name, argument: argument)
        return []
      } catch let refusal as TestRefusal { return refusal.findings }
    }
    #expect(try findings("TWICE", nil) == [TestFinding(path: "", message: "it needs an argument")])
    #expect(
      try findings("TWICE", "%BAD%") == [TestFinding(path: "argument", message: "no operator BAD")])
    #expect(throws: TestRefusal.self) {
      try TestConfiguration(plugin, formatter: "test.words", Array("{}".utf8))
    }
  }

  @Test func severalErrorsAtOnceAndWarnings() throws {
    let findings = try refusal("test.greeting", #"{"text": "", "repeats": 10}"#)
    #expect(findings.map(\.path) == ["text", "repeats"])
    let fine = try TestConfiguration(
      plugin(), http: "test.greeting", Array(#"{"text": "a", "tags": []}"#.utf8))
    #expect(fine.warnings == [TestFinding(path: "tags", message: "is without effect")])
    fine.destroy()
  }

  @Test func whatTheHostReportsIsNotReportedAgain() throws {
    let findings = try refusal("test.everything", #"{"format": "%BAD%"}"#)
    #expect(findings == [TestFinding(path: "format", message: "no operator BAD")])
    #expect(try refusal("test.everything", #"{"pattern": "("}"#).map(\.path) == ["pattern"])
  }

  @Test func jsonValues() throws {
    let text = #" {"a": [1, -2.5e3, true, false, null], "b": "\u00e9\ud83d\ude00\n\/", "c": {}} "#
    let value = try JSONValue(parsing: Array(text.utf8))
    guard case .object(let fields) = value else { Issue.record("no object"); return }
    #expect(fields.map(\.key) == ["a", "b", "c"])
    #expect(
      fields[0].value == .array([.number("1"), .number("-2.5e3"), .boolean(true), .boolean(false), .null]))
    #expect(fields[1].value == .string("é😀\n/"))
    for wrong in [
      "", "{", "[1", "01", "1.", "\"\u{1}\"", "\"\\x\"", "tru", "1 2", "{\"a\":1,\"a\":2}", "\"\\ud83d\"",
    ] {
      #expect(throws: ConfigurationError.self, "\(wrong)") { try JSONValue(parsing: Array(wrong.utf8)) }
    }
    let deep = String(repeating: "[", count: 200)
    #expect(throws: ConfigurationError.self) { try JSONValue(parsing: Array(deep.utf8)) }
  }

  @Test func requestHeaders() throws {
    host.runtime["everything.share"] = 100
    let configuration = try everything(
      #"{"format": "<%REQ(x-a)%>", "pattern": "/[a-z]+", "family": "asked"}"#)
    let stream = TestStream(
      configuration,
      [
        TestField(":method", "GET"), TestField(":path", "/abc"), TestField("x-a", "1"),
        TestField("x-gone", "1"),
      ])
    #expect(stream.requestHeaders() == MARTLET_CONTINUE)
    let headers = MARTLET_REQUEST_HEADERS
    #expect(stream.values("x-format", headers) == ["<1>"])
    #expect(stream.values("x-matches", headers) == ["yes"])
    #expect(stream.values("x-replaced", headers) == ["</abc>"])
    #expect(stream.values("x-share", headers) == ["in"])
    #expect(stream.values("x-gone", headers) == [] && stream.values("x-route", headers) == [])
    #expect(host.metric("http.test.asked", ["GET"]) == 1)
    #expect(stream.metadata == ["everything:streams": "1"])
    #expect(host.log.map(\.message) == ["prefix http.test. node node"])
    stream.end()
    #expect(host.log.last?.message == "complete complete kept 1")
    #expect(host.metric("http.test.active") == 0 && host.records("sizes") == [1])
    configuration.destroy()
  }

  @Test func routeSettings() throws {
    let configuration = try everything()
    let route = try TestConfiguration(plugin(), route: "test.everything", Array(#"{"name": "r"}"#.utf8))
    let stream = TestStream(configuration)
    stream.routes = [route]
    _ = stream.requestHeaders()
    #expect(stream.values("x-route", MARTLET_REQUEST_HEADERS) == ["r"])
    stream.end()
    configuration.destroy()
    route.destroy()
  }

  @Test func aFilterWithoutRouteSettingsRefusesThem() throws {
    #expect(throws: TestRefusal.self) {
      try TestConfiguration(plugin(), route: "test.greeting", Array(#"{"a": 1}"#.utf8))
    }
  }

  @Test func answers() throws {
    let configuration = try everything()
    var stream = TestStream(configuration, [TestField("x-do", "reply")])
    #expect(stream.requestHeaders() == MARTLET_STOP)
    #expect(stream.reply == TestReply.of(403, [TestField("x-why", "told")], "no", "denied", 7))
    stream.end()
    stream = TestStream(configuration, [TestField("x-do", "reset")])
    _ = stream.requestHeaders()
    #expect(stream.wasReset)
    stream.end(MARTLET_STREAM_RESET)
    stream = TestStream(configuration, [TestField("x-do", "route")])
    _ = stream.requestHeaders()
    #expect(stream.cluster == "other" && stream.clearedRoute)
    stream.end(MARTLET_STREAM_CLIENT_GONE)
    #expect(host.log.suffix(2).map(\.message) == ["complete reset kept 2", "complete clientGone kept 3"])
    configuration.destroy()
  }

  @Test func bodies() throws {
    let configuration = try everything()
    let stream = TestStream(configuration)
    _ = stream.requestHeaders(end: false)
    #expect(stream.requestBody("ab", end: false) == MARTLET_STOP)
    #expect(stream.requestBody("cd", end: true) == MARTLET_CONTINUE)
    #expect(stream.body(MARTLET_REQUEST) == "ABCD]!")
    #expect(stream.requestTrailers([]) == MARTLET_CONTINUE)
    #expect(stream.values("x-seen", MARTLET_REQUEST_TRAILERS) == ["head 0 false|body 2|body 4"])
    stream.end()
    configuration.destroy()
  }

  @Test func aBodyIsPassedByATimer() throws {
    let configuration = try everything()
    let stream = TestStream(configuration)
    _ = stream.requestHeaders()
    #expect(
      stream.responseHeaders(
        [
          TestField(":status", "200"), TestField("x-secret-a", "1"), TestField("x-list", "l"),
          TestField("x-secret-b", "2"),
        ], end: false) == MARTLET_CONTINUE)
    #expect(
      stream.fields(MARTLET_RESPONSE_HEADERS) == [TestField(":status", "200"), TestField("x-list", "l,l")])
    #expect(stream.responseBody("123456", end: false) == MARTLET_STOP_SLOW)
    #expect(stream.timer(0) == 50)
    stream.fireTimer(0)
    #expect(stream.passed[1] == Array("1234".utf8))
    stream.fireTimer(0)
    #expect(stream.passed[1] == Array("123456".utf8) && stream.body(MARTLET_RESPONSE).isEmpty)
    #expect(stream.responseTrailers([TestField("x-gone", "1"), TestField("x", "2")]) == MARTLET_STOP)
    #expect(stream.fields(MARTLET_RESPONSE_TRAILERS) == [TestField("x", "2")])
    stream.end()
    configuration.destroy()
  }

  @Test func aHeadHookMakesABodyAndTrailers() throws {
    let configuration = try everything()
    let stream = TestStream(configuration)
    _ = stream.requestHeaders()
    _ = stream.responseHeaders([], end: true)
    #expect(stream.body(MARTLET_RESPONSE) == "made" && stream.hasTrailers[1])
    #expect(stream.values("x-trailer", MARTLET_RESPONSE_TRAILERS) == ["t"])
    stream.end()
    configuration.destroy()
  }

  @Test func timersAndWakes() throws {
    let configuration = try everything()
    var stream = TestStream(configuration, [TestField("x-do", "wait")])
    #expect(stream.requestHeaders() == MARTLET_STOP_ALL_SLOW)
    #expect(stream.timer(3) == 25 && !stream.resumed[0])
    stream.fireTimer(3)
    #expect(stream.resumed[0])
    stream.end()
    stream = TestStream(configuration, [TestField("x-do", "wake")])
    _ = stream.requestHeaders()
    stream.deliverWakes()
    #expect(stream.values("x-token", MARTLET_REQUEST_HEADERS) == ["42"] && stream.resumed[0])
    stream.backPressure(stop: true)
    #expect(host.log.last?.message == "pressure true")
    stream.end()
    configuration.fireWorkerTimer(1)
    #expect(host.log.last?.message == "worker timer 1")
    configuration.destroy()
  }

  @Test func slotsAreUsedAgainAndGivenBack() throws {
    let configuration = try everything()
    for _ in 0..<10 {
      let stream = TestStream(configuration)
      _ = stream.requestHeaders()
      stream.end()
    }
    #expect(host.allocations == 1)
    let two = [TestStream(configuration), TestStream(configuration)]
    #expect(host.allocations == 2)
    for stream in two { stream.end() }
    configuration.destroy()
    #expect(host.allocations == 0)
  }

  @Test func messagesOfALevelThatIsOffAreNotMade() throws {
    host.logLevel = 9
    let configuration = try everything()
    #expect(host.log.isEmpty)
    configuration.destroy()
  }

  @Test func aNetworkFilter() throws {
    let configuration = try TestConfiguration(
      plugin(), network: "test.shout", Array(#"{"greeting": "hi\n"}"#.utf8))
    let connection = TestConnection(configuration)
    #expect(connection.newConnection() == MARTLET_CONTINUE)
    #expect(connection.data("he") == MARTLET_STOP)
    #expect(connection.left == "he")
    _ = connection.data("llo\nquit")
    #expect(connection.left == "quit")
    _ = connection.data("\n", end: true)
    #expect(String(decoding: connection.written, as: UTF8.self) == "hi\nHELLO\nQUIT\n")
    #expect(connection.closed == MARTLET_CLOSE_FLUSH && connection.wroteEnd)
    #expect(connection.write("x") == nil)
    connection.end()
    #expect(host.log.last?.message == "closed")
    configuration.destroy()
  }

  @Test func base64() {
    #expect(Descriptors(base64: "TWFydGxl\ndA==").bytes == Array("Martlet".utf8))
    #expect(Descriptors(base64: "+/8=").bytes == [0xFB, 0xFF])
  }
}

extension TestReply {
  static func of(_ status: Int, _ headers: [TestField], _ body: String, _ details: String, _ grpc: Int)
    -> TestReply
  {
    TestReply(status: status, headers: headers, body: body, details: details, grpcStatus: grpc)
  }
}
