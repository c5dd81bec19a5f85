// Choosing a filter chain: the order of the criteria, the most specific value, no way back.
import Model
import Testing

@testable import DataPlane

@Suite struct FilterChainMatcherTests {
  private func match(_ change: (inout FilterChainMatch) -> Void) -> FilterChainMatch {
    var match = FilterChainMatch()
    change(&match)
    return match
  }

  private func prefix(_ text: String) throws -> AddressPrefix {
    let parts = text.split(separator: "/")
    return AddressPrefix(address: try #require(IPAddress(parts[0])), length: try #require(Int(parts[1])))
  }

  private func facts(
    to destination: String = "10.0.0.1", _ port: UInt16 = 80, from source: String = "192.0.2.7",
    _ sourcePort: UInt16 = 40_000, direct: String? = nil
  ) throws -> ConnectionFacts {
    ConnectionFacts(
      destination: .ip(try #require(IPAddress(destination)), port: port),
      source: .ip(try #require(IPAddress(source)), port: sourcePort),
      directSource: .ip(try #require(IPAddress(direct ?? source)), port: sourcePort))
  }

  private func matcher(
    _ chains: [(FilterChainMatch, String)], _ fallback: String? = nil
  ) -> FilterChainMatcher<String> {
    FilterChainMatcher(chains: chains, fallback: fallback)
  }

  @Test func nothingToLookAt() throws {
    #expect(matcher([]).only == nil)
    #expect(matcher([], "d").only == "d")
    #expect(matcher([], "d").match(try facts()) == "d")
    #expect(matcher([]).match(try facts()) == nil)
    let one = matcher([(match { _ in }, "a")], "d")
    #expect(one.only == "a")
    #expect(one.match(try facts()) == "a")
    #expect(matcher([(match { $0.destinationPort = 1 }, "a")]).only == nil)
    #expect(matcher([(match { $0.sourceType = .external }, "a")]).only == nil)
  }

  @Test func destinationPort() throws {
    let matcher = matcher([(match { $0.destinationPort = 80 }, "80"), (match { _ in }, "any")])
    #expect(matcher.match(try facts(80)) == "80")
    #expect(matcher.match(try facts(81)) == "any")
  }

  private func facts(_ port: UInt16) throws -> ConnectionFacts { try facts(to: "10.0.0.1", port) }

  @Test func theLongestPrefix() throws {
    let matcher = matcher(
      [
        (match { $0.destinationPrefixes = [try! prefix("10.0.0.0/8")] }, "8"),
        (match { $0.destinationPrefixes = [try! prefix("10.0.0.0/24"), try! prefix("::1/128")] }, "24"),
        (match { $0.destinationPrefixes = [try! prefix("10.0.0.1/32")] }, "32"),
        (match { $0.destinationPrefixes = [try! prefix("::/0")] }, "v6"),
      ], "default")
    #expect(matcher.match(try facts(to: "10.0.0.1")) == "32")
    #expect(matcher.match(try facts(to: "10.0.0.2")) == "24")
    #expect(matcher.match(try facts(to: "10.9.0.2")) == "8")
    #expect(matcher.match(try facts(to: "11.0.0.1")) == "default")
    #expect(matcher.match(try facts(to: "::1")) == "24")
    #expect(matcher.match(try facts(to: "2001:db8::1")) == "v6")
  }

  @Test func serverNames() throws {
    let matcher = matcher([
      (match { $0.serverNames = ["a.example.com"] }, "exact"),
      (match { $0.serverNames = ["*.example.com", "*.org"] }, "suffix"),
      (match { $0.serverNames = ["*.b.example.com"] }, "longer suffix"), (match { _ in }, "any"),
    ])
    func chosen(_ name: String) throws -> String? {
      var facts = try facts()
      facts.serverName = name
      return matcher.match(facts)
    }
    #expect(try chosen("a.example.com") == "exact")
    #expect(try chosen("x.example.com") == "suffix")
    #expect(try chosen("x.b.example.com") == "longer suffix")
    #expect(try chosen("example.com") == "any")
    #expect(try chosen("a.b.org") == "suffix")
    #expect(try chosen("") == "any")
  }

  @Test func protocols() throws {
    let matcher = matcher([
      (
        match {
          $0.transportProtocol = "tls"; $0.applicationProtocols = ["h2"]
        }, "tls h2"
      ),
      (match { $0.transportProtocol = "tls" }, "tls"), (match { $0.transportProtocol = "raw_buffer" }, "raw"),
    ])
    var facts = try facts()
    #expect(matcher.match(facts) == "raw")
    facts.transportProtocol = "tls"
    #expect(matcher.match(facts) == "tls")
    facts.applicationProtocols = ["x", "h2"]
    #expect(matcher.match(facts) == "tls h2")
  }

  @Test func theFirstApplicationProtocolThatFits() throws {
    let matcher = matcher([
      (match { $0.applicationProtocols = ["http/1.1"] }, "1"),
      (match { $0.applicationProtocols = ["h2"] }, "2"),
    ])
    var facts = try facts()
    facts.applicationProtocols = ["h2", "http/1.1"]
    #expect(matcher.match(facts) == "2")
    facts.applicationProtocols = ["http/1.1", "h2"]
    #expect(matcher.match(facts) == "1")
  }

  @Test func sources() throws {
    let matcher = matcher(
      [
        (match { $0.sourceType = .sameIPOrLoopback }, "local"),
        (
          match {
            $0.sourceType = .external; $0.sourcePrefixes = [try! prefix("192.0.2.0/24")]
          }, "net"
        ),
        (
          match {
            $0.sourceType = .external
            $0.sourcePrefixes = [try! prefix("192.0.2.0/24")]
            $0.sourcePorts = [1000, 1001]
          }, "net and port"
        ),
        (match { $0.sourceType = .external }, "outside"),
      ])
    #expect(matcher.match(try facts(from: "127.0.0.1")) == "local")
    #expect(matcher.match(try facts(to: "10.0.0.1", from: "10.0.0.1")) == "local")
    #expect(matcher.match(try facts(from: "::1")) == "local")
    #expect(matcher.match(try facts(from: "192.0.2.7")) == "net")
    #expect(matcher.match(try facts(from: "192.0.2.7", 1001)) == "net and port")
    #expect(matcher.match(try facts(from: "198.51.100.1")) == "outside")
  }

  @Test func directSourceIsTheSocketsPeer() throws {
    let matcher = matcher(
      [(match { $0.directSourcePrefixes = [try! prefix("172.16.0.0/12")] }, "balancer")], "default")
    #expect(matcher.match(try facts(from: "192.0.2.7", direct: "172.16.9.9")) == "balancer")
    #expect(matcher.match(try facts(from: "172.16.9.9", direct: "192.0.2.7")) == "default")
  }

  @Test func thereIsNoWayBack() throws {
    // The port decides first; that nothing fits behind it does not open the way to the others.
    let matcher = matcher(
      [
        (
          match {
            $0.destinationPort = 80; $0.sourcePrefixes = [try! prefix("10.0.0.0/8")]
          }, "80 from 10"
        ),
        (match { $0.sourcePrefixes = [try! prefix("192.0.2.0/24")] }, "from 192"),
      ], "default")
    #expect(matcher.match(try facts(80)) == "default")
    #expect(matcher.match(try facts(81)) == "from 192")
    #expect(matcher.match(try facts(from: "10.1.1.1")) == "80 from 10")
  }

  @Test func theMoreSpecificDestinationWinsOverTheSource() throws {
    let matcher = matcher([
      (match { $0.destinationPrefixes = [try! prefix("10.0.0.0/8")] }, "destination"),
      (match { $0.sourcePrefixes = [try! prefix("192.0.2.7/32")] }, "source"),
    ])
    #expect(matcher.match(try facts()) == "destination")
    #expect(matcher.match(try facts(to: "11.0.0.1")) == "source")
  }

  @Test func unixSockets() throws {
    let matcher = matcher(
      [
        (match { $0.sourcePorts = [1] }, "port"), (match { $0.sourceType = .sameIPOrLoopback }, "local"),
      ], "default")
    let facts = ConnectionFacts(
      destination: .unix(path: "/a", mode: 0), source: .unix(path: "", mode: 0),
      directSource: .unix(path: "", mode: 0))
    #expect(matcher.match(facts) == "local")
  }
}
