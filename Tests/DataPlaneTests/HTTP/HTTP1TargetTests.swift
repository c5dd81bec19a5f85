// The four forms of a request target (RFC 9112 section 3.2).
import Testing

@testable import DataPlane

@Suite struct HTTP1TargetTests {
  private func resolve(
    _ method: String, _ target: String, absolute: Bool = true
  ) -> (error: HTTP1Error?, path: String, authority: String, isAbsolute: Bool) {
    let reading = readRequest(
      "\(method) \(target) HTTP/1.1\r\nHost: h\r\n\r\n", .init(allowAbsoluteURL: absolute))
    if case .failed(let error) = reading.outcome { return (error, "", "", false) }
    guard let facts = reading.facts else { return (nil, "", "", false) }
    return (nil, text(facts.path), text(facts.authority), facts.isAbsoluteForm)
  }

  @Test(arguments: ["/", "/a?b=c", "//a", "/%00", "/?", "/a/../b", "/http://x"])
  func originForm(_ target: String) {
    #expect(resolve("GET", target) == (nil, target, "h", false))
  }

  @Test(arguments: [
    ("http://a/b?c", "/b?c", "a"),
    ("HTTP://A:80/", "/", "A:80"),
    ("https://a/x", "/x", "a"),
    ("http://a", "/", "a"),
    ("http://a?q=1", "/?q=1", "a"),
    ("http://[::1]:8080/x", "/x", "[::1]:8080"),
  ])
  func absoluteForm(_ target: String, _ path: String, _ authority: String) {
    #expect(resolve("GET", target) == (nil, path, authority, true))
    #expect(resolve("GET", target, absolute: false).error == .badTarget)
  }

  @Test(arguments: [
    "http://", "http:///x", "http://?x", "ftp://a/", "http:/a", "a", "a/b", "http://u@a/", "https://",
    "http://a:99999/", "*a", "?a",
  ])
  func refused(_ target: String) {
    #expect(resolve("GET", target).error == .badTarget)
  }

  @Test func asteriskForm() {
    #expect(resolve("OPTIONS", "*") == (nil, "*", "h", false))
    #expect(resolve("GET", "*").error == .badTarget)
  }

  @Test func authorityForm() {
    #expect(resolve("CONNECT", "a:443") == (nil, "a:443", "a:443", false))
    #expect(resolve("CONNECT", "[::1]:443") == (nil, "[::1]:443", "[::1]:443", false))
    for bad in ["a", "/", "http://a:1/", "a:", ":443", "a:b"] {
      #expect(resolve("CONNECT", bad).error == .badTarget, "\(bad)")
    }
  }

  @Test(
    arguments: [
      ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete),
      ("TRACE", .trace), ("PATCH", .patch), ("PROPFIND", .other), ("PURGE", .other),
      ("VERSION-CONTROL", .other),
    ] as [(String, HTTPMethod)])
  func methods(_ name: String, _ method: HTTPMethod) {
    let facts = readRequest("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n").facts
    #expect(facts?.method == method)
    #expect(facts?.methodText == name)
  }
}
