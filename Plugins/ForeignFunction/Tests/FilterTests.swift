// The HTTP filter with functions of the C library, under a host of C tables.
import EnvoyMatchers
import MartletTestHost
import SwiftProtobuf
import Testing

@testable import ForeignFunction

typealias CallMessage = Martlet_ForeignFunction_V1_Call

@Suite(.serialized)
struct FilterTests {
  let host = TestHost()
  private let filter = "martlet.filters.http.foreign_function"
  private let functions = [
    function("strtol", "(string, null, int32 = 10) -> int64"),
    function("check", "(string, null, int32 = 10) -> int64", symbol: "strtol", success: "result != 0"),
    function("copy", "(string) -> string free(free)", symbol: "strdup"),
    function(
      "pton", "(int32 = 2, string, a: out bytes[4]) -> int32", symbol: "inet_pton", value: "a",
      encoding: .hex),
    function("getenv", "(string) -> string"),
  ]

  private func plugin() throws -> TestPlugin { try host.open(foreignFunctionPlugin()) }

  private func configuration(
    request: [CallMessage] = [], response: [CallMessage] = []
  ) throws -> TestConfiguration {
    let message = Martlet_ForeignFunction_V1_ForeignFunction.with {
      $0.functions = functions
      $0.requestCalls = request
      $0.responseCalls = response
    }
    return try TestConfiguration(
      plugin(), http: filter, type: "martlet.foreign_function.v1.ForeignFunction", encoding: 1,
      message.serializedBytes())
  }

  private func call(
    _ function: String, _ arguments: [String], _ fill: (inout CallMessage) -> Void = { _ in }
  ) -> CallMessage {
    .with {
      $0.function = function
      $0.arguments = arguments
      fill(&$0)
    }
  }

  private func header(_ name: String, value: String) -> Martlet_ForeignFunction_V1_SetHeader {
    .with {
      $0.header = name
      $0.value = value
    }
  }

  private func count(_ name: String) -> UInt64? { host.metric("http.test.foreign_function.\(name)") }

  @Test func headersAndMetadata() throws {
    let configuration = try configuration(request: [
      call("pton", ["%REQ(x-a)%"]) {
        $0.setHeaders = [
          header("x-address", value: "a"), header("x-result", value: "result"),
          .with {
            $0.header = "x-format"
            $0.format = "was %REQ(x-a)%"
          },
        ]
        $0.setMetadata = [
          .with {
            $0.namespace = "ffi"
            $0.key = "address"
          },
          .with {
            $0.namespace = "ffi"
            $0.key = "result"
            $0.value = "result"
          },
        ]
      }
    ])
    let stream = TestStream(configuration, [TestField("x-a", "192.0.2.1"), TestField("x-address", "old")])
    #expect(stream.requestHeaders() == 0)
    #expect(stream.values("x-address", 0) == ["c0000201"] && stream.values("x-result", 0) == ["1"])
    #expect(stream.values("x-format", 0) == ["was 192.0.2.1"])
    #expect(stream.metadata == ["ffi:address": "c0000201", "ffi:result": "1"])
    #expect(stream.reply == nil && count("calls") == 1 && count("denied") == 0)
    stream.end()
    configuration.destroy()
  }

  @Test func whatThereIsNotIsNotSet() throws {
    let configuration = try configuration(request: [
      call("getenv", ["NO_SUCH_VARIABLE_HERE"]) { $0.setHeaders = [header("x-a", value: "result")] }
    ])
    let stream = TestStream(configuration, [TestField("x-a", "old")])
    _ = stream.requestHeaders()
    #expect(stream.values("x-a", 0) == ["old"])
    stream.end()
    configuration.destroy()
  }

  // The request's x-a, whether failures are allowed, the status of the answer.
  @Test(arguments: [
    ("5", false, nil), ("6", false, 451), ("0", false, 451), ("x", false, 451), ("0", true, nil),
    ("6", true, 451),
  ])
  func denials(_ text: String, _ allows: Bool, _ status: Int?) throws {
    let configuration = try configuration(request: [
      call("check", ["%REQ(x-a)%"]) {
        $0.deny.when = "result == 6"
        $0.deny.status = 451
        $0.deny.body = "no %REQ(x-a)%"
        $0.failureModeAllow = allows
      },
      call("strtol", ["1"]) { $0.setHeaders = [header("x-second", value: "result")] },
    ])
    let stream = TestStream(configuration, [TestField("x-a", text)])
    #expect(stream.requestHeaders() == (status == nil ? 0 : 1))
    #expect(stream.reply?.status == status)
    #expect(stream.values("x-second", 0) == (status == nil ? ["1"] : []))
    if status != nil {
      #expect(stream.reply?.body == "no \(text)" && count("denied") == 1)
      #expect(
        stream.reply?.details == (text == "6" ? "foreign_function_denied" : "foreign_function_failed"))
    }
    // Its own answer passes.
    #expect(stream.responseHeaders([TestField(":status", "451")]) == 0)
    stream.end()
    configuration.destroy()
  }

  @Test func responses() throws {
    let configuration = try configuration(response: [
      call("strtol", ["%RESP(x-a)%"]) {
        $0.setHeaders = [header("x-b", value: "result")]
        $0.deny.when = "result > 9"
        $0.deny.status = 502
      }
    ])
    for (text, isDenied) in [("9", false), ("10", true)] {
      let stream = TestStream(configuration)
      #expect(stream.requestHeaders() == 0)
      #expect(stream.responseHeaders([TestField("x-a", text)]) == (isDenied ? 1 : 0))
      #expect(stream.values("x-b", 2) == [text] && stream.values("x-b", 0).isEmpty)
      #expect(stream.reply?.status == (isDenied ? 502 : nil))
      stream.end()
    }
    configuration.destroy()
  }

  @Test func conditions() throws {
    let configuration = try configuration(request: [
      call("strtol", ["7"]) {
        $0.setHeaders = [header("x-a", value: "result")]
        $0.when.requestHeaders = [.with { $0.name = "x-go" }]
      }
    ])
    for fields in [[], [TestField("x-go", "1")]] {
      let stream = TestStream(configuration, fields)
      _ = stream.requestHeaders()
      #expect(stream.values("x-a", 0) == (fields.isEmpty ? [] : ["7"]))
      stream.end()
    }
    #expect(count("calls") == 1)
    configuration.destroy()
  }

  @Test func clusters() throws {
    let configuration = try configuration(request: [
      call("strtol", ["%REQ(x-a)%"]) {
        $0.setCluster.when = "result == 2"
        $0.setCluster.cluster = "c-%REQ(x-a)%"
      }
    ])
    for (text, cluster) in [("1", nil), ("2", "c-2")] as [(String, String?)] {
      let stream = TestStream(configuration, [TestField("x-a", text)])
      #expect(stream.requestHeaders() == 0)
      #expect(stream.cluster == cluster)
      stream.end()
    }
    configuration.destroy()
  }

  @Test func routes() throws {
    let configuration = try configuration(request: [
      call("strtol", ["1"]) { $0.setHeaders = [header("x-a", value: "result")] }
    ])
    let message = Martlet_ForeignFunction_V1_ForeignFunctionPerRoute.with {
      $0.functions = functions
      $0.requestCalls = [call("strtol", ["2"]) { $0.setHeaders = [header("x-a", value: "result")] }]
    }
    let route = try TestConfiguration(
      plugin(), route: filter, type: "martlet.foreign_function.v1.ForeignFunctionPerRoute", encoding: 1,
      message.serializedBytes())
    for routes in [[], [route]] {
      let stream = TestStream(configuration)
      stream.routes = routes
      _ = stream.requestHeaders()
      #expect(stream.values("x-a", 0) == [routes.isEmpty ? "1" : "2"])
      stream.end()
    }
    route.destroy()
    configuration.destroy()
  }

  @Test func wrong() throws {
    func findings(_ call: CallMessage, ofResponse: Bool = false) throws -> [TestFinding] {
      do {
        try configuration(request: ofResponse ? [] : [call], response: ofResponse ? [call] : []).destroy()
        return []
      } catch let refusal as TestRefusal { return refusal.findings }
    }
    func expect(_ path: String, _ message: String, ofResponse: Bool = false, _ call: CallMessage) throws {
      let found = try findings(call, ofResponse: ofResponse)
      #expect(found.map(\.path) == [path] && found.first?.message.contains(message) == true, "\(found)")
    }
    try expect("request_calls[0].function", "there is no function \"strtoll\"", call("strtoll", []))
    try expect(
      "request_calls[0].arguments", "strtol takes 1 arguments, found 2", call("strtol", ["1", "2"]))
    try expect("request_calls[0].arguments[0]", "no operator BAD", call("strtol", ["%BAD%"]))
    try expect(
      "request_calls[0].set_headers[0].value", "the function has no value `b`",
      call("pton", ["1"]) { $0.setHeaders = [header("x-a", value: "b")] })
    try expect(
      "request_calls[0].set_headers[0].header", "no header name",
      call("pton", ["1"]) { $0.setHeaders = [header("x a", value: "a")] })
    try expect(
      "request_calls[0].deny.when", "expected a number",
      call("strtol", ["1"]) { $0.deny.when = "result == null" })
    try expect(
      "request_calls[0].deny.body", "no operator BAD", call("strtol", ["1"]) { $0.deny.body = "%BAD%" })
    try expect(
      "response_calls[0].set_cluster", "has its cluster already", ofResponse: true,
      call("strtol", ["1"]) { $0.setCluster.cluster = "a" })
    try expect(
      "request_calls[0].when.response_headers", "before its response",
      call("strtol", ["1"]) { $0.when.responseHeaders = [.with { $0.name = "x" }] })
  }
}
