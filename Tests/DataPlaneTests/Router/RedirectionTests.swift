// The `location` of redirects.
import Model
import Testing

@testable import DataPlane

@Suite struct RedirectionTests {
  private func location(
    _ change: (inout Redirect) -> Void, host: String = "a.com", target: String = "/x/y?q=1",
    matched: Int = 2, forwardedProto: String? = nil
  ) -> String {
    var redirect = Redirect()
    change(&redirect)
    let head = MessageHead()
    if let forwardedProto {
      withView(forwardedProto) { head.headers.add(.xForwardedProto, "x-forwarded-proto", value: $0) }
    }
    let result = ByteBuilder()
    let matcher = PathMatcher(.prefix(String(repeating: "x", count: matched)), caseSensitive: true)
    withView(host) { host in
      withView(target) { target in
        head.authority = host
        head.path = target
        Redirection(redirect).write(head, matchedBy: matcher, into: result)
      }
    }
    return result.view.string
  }

  @Test func nothingChanged() {
    #expect(location { _ in } == "http://a.com/x/y?q=1")
    #expect(location({ _ in }, host: "a.com:8080") == "http://a.com:8080/x/y?q=1")
    #expect(location({ _ in }, forwardedProto: "HTTPS") == "https://a.com/x/y?q=1")
  }

  @Test func schemes() {
    #expect(location({ $0.scheme = .https }, host: "a.com:80") == "https://a.com/x/y?q=1")
    #expect(location({ $0.scheme = .https }, host: "a.com:8080") == "https://a.com:8080/x/y?q=1")
    #expect(
      location({ $0.scheme = .literal("http") }, host: "a.com:443", forwardedProto: "https")
        == "http://a.com/x/y?q=1")
    #expect(location({ $0.scheme = .literal("ftp") }) == "ftp://a.com/x/y?q=1")
    #expect(location({ _ in }, host: "a.com:80") == "http://a.com:80/x/y?q=1")
  }

  @Test func hostsAndPorts() {
    #expect(location({ $0.host = "b.org" }, host: "a.com:8080") == "http://b.org/x/y?q=1")
    #expect(location({ $0.port = 99 }, host: "a.com:8080") == "http://a.com:99/x/y?q=1")
    #expect(
      location({
        $0.host = "b.org"; $0.port = 99
      }) == "http://b.org:99/x/y?q=1")
    #expect(location({ $0.port = 1 }, host: "[::1]:80") == "http://[::1]:1/x/y?q=1")
    #expect(location({ $0.scheme = .https }, host: "[::1]") == "https://[::1]/x/y?q=1")
  }

  @Test func paths() {
    #expect(location { $0.path = .replace("/new") } == "http://a.com/new?q=1")
    #expect(location { $0.path = .replace("/new?p=2") } == "http://a.com/new?p=2")
    #expect(location { $0.path = .prefixRewrite("/z") } == "http://a.com/z/y?q=1")
    #expect(location({ $0.path = .prefixRewrite("/") }, target: "/x?q", matched: 2) == "http://a.com/?q")
    #expect(location { $0.stripQuery = true } == "http://a.com/x/y")
    #expect(
      location {
        $0.stripQuery = true; $0.path = .replace("/n?p")
      } == "http://a.com/n?p")
    #expect(location({ _ in }, target: "/") == "http://a.com/")
  }
}
