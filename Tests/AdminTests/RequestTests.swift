// Taking a request apart, dates, JSON and the access log's line.
import Testing

@testable import Admin

@Suite struct RequestTests {
  @Test func query() {
    let request = AdminRequest(method: "GET", target: "/stats?a=1&b&c=%41%zz+&&d=x=y")
    #expect(request.path == "/stats")
    #expect(request.parameters.map(\.name) == ["a", "b", "c", "d"])
    #expect(request.parameters.map(\.value) == ["1", "", "A%zz+", "x=y"])
    #expect(request.parameter("b")?.isEmpty == true)
    #expect(request.parameter("z") == nil)
    #expect(AdminRequest(method: "GET", target: "/a?").parameters.isEmpty)
  }

  @Test func dates() {
    #expect(HTTPDate.header(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    #expect(HTTPDate.timestamp(seconds: 784_111_777, milliseconds: 7) == "1994-11-06T08:49:37.007Z")
  }

  @Test func json() {
    let value = JSONValue.object([
      .init("a\u{1}", .array([.string("\"\\\n"), .bool(true)])), .init("b", .object([])),
    ])
    #expect(value.compact == #"{"a\u0001":["\"\\\n",true],"b":{}}"#)
    #expect(JSONValue.array([]).pretty == "[]\n")
  }

  @Test func accessLogLine() {
    let line = AccessLogLine(
      method: "GET", target: "/a\"b", status: 200, bytesSent: 3, milliseconds: 1, userAgent: "c",
      requestID: nil, authority: "h")
    #expect(
      line.text(seconds: 784_111_777, milliseconds: 123)
        == #"[1994-11-06T08:49:37.123Z] "GET /a\"b HTTP/1.1" 200 - 0 3 1 - "-" "c" "-" "h" "-""#
        + "\n")
  }
}
