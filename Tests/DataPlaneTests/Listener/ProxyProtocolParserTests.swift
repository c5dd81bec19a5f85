// PROXY protocol headers of both versions, in pieces, and malformed.
import Model
import Testing

@testable import DataPlane

@Suite struct ProxyProtocolParserTests {
  private typealias Outcome = ProxyProtocolParser.Outcome
  private static let signature: [UInt8] = [
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
  ]

  private func parse(_ input: [UInt8]) -> Outcome { withView(input) { ProxyProtocolParser.parse($0) } }
  private func parse(_ input: String) -> Outcome { parse(bytes(input)) }

  private func ip(_ text: String, _ port: UInt16) -> SocketAddress? {
    IPAddress(text).map { .ip($0, port: port) }
  }

  private static func v2(_ command: UInt8, _ family: UInt8, _ body: [UInt8]) -> [UInt8] {
    signature + [0x20 | command, family, UInt8(body.count >> 8), UInt8(body.count & 255)] + body
  }

  private static let v4Body: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb]

  // MARK: Version 1

  @Test func version1() {
    #expect(
      parse("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET")
        == .header(
          .init(
            version: 1, length: 45, source: ip("192.0.2.1", 56324),
            destination: ip("198.51.100.2", 443))))
    #expect(
      parse("PROXY TCP6 2001:db8::1 ::1 1 0\r\n")
        == .header(.init(version: 1, length: 32, source: ip("2001:db8::1", 1), destination: ip("::1", 0))))
    #expect(parse("PROXY UNKNOWN\r\n") == .header(.init(version: 1, length: 15)))
    #expect(parse("PROXY UNKNOWN whatever follows 1\r\n") == .header(.init(version: 1, length: 34)))
  }

  @Test(arguments: [
    "PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
    "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 ::1 1 2\r\n",
    "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
    "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 256.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY UNKNOWNX\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
  ])
  func malformedVersion1(_ line: String) {
    #expect(parse(line) == .malformed(version: 1))
  }

  @Test func version1HasALongestLine() {
    let filler = String(repeating: "x", count: 107 - "PROXY UNKNOWN \r\n".utf8.count)
    #expect(parse("PROXY UNKNOWN \(filler)\r\n") == .header(.init(version: 1, length: 107)))
    #expect(parse("PROXY UNKNOWN \(filler)x\r\n") == .malformed(version: 1))
    #expect(parse("PROXY UNKNOWN \(filler)") == .needMore)
  }

  // MARK: Version 2

  @Test func version2() {
    #expect(
      parse(Self.v2(1, 0x11, Self.v4Body) + [1, 2, 3])
        == .header(
          .init(
            version: 2, length: 28, source: ip("192.0.2.1", 0x1234), destination: ip("198.51.100.2", 443))))
    func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
    let v6 = zeros(15) + [1] + [0x20, 0x01, 0x0d, 0xb8] + zeros(11) + [2, 0, 80, 1, 0]
    #expect(
      parse(Self.v2(1, 0x21, v6))
        == .header(.init(version: 2, length: 52, source: ip("::1", 80), destination: ip("2001:db8::2", 256))))
  }

  @Test func version2WithoutAddresses() {
    #expect(parse(Self.v2(0, 0x11, Self.v4Body)) == .header(.init(version: 2, length: 28)))
    #expect(parse(Self.v2(0, 0xff, [9])) == .header(.init(version: 2, length: 17)))
    #expect(parse(Self.v2(1, 0x00, [])) == .header(.init(version: 2, length: 16)))
  }

  @Test func version2OverUnixSockets() {
    func name(_ text: String) -> [UInt8] { bytes(text) + [UInt8](repeating: 0, count: 108 - text.utf8.count) }
    let long = String(repeating: "p", count: 108)
    #expect(
      parse(Self.v2(1, 0x31, name("/run/a") + name(long)))
        == .header(
          .init(
            version: 2, length: 232, source: .unix(path: "/run/a", mode: 0),
            destination: .unix(path: long, mode: 0))))
  }

  @Test func version2WithTLVs() {
    let tlvs: [UInt8] = [0x01, 0, 2, 0x68, 0x32, 0xea, 0, 0, 0x04, 1, 0] + [UInt8](repeating: 7, count: 256)
    guard case .header(let header) = parse(Self.v2(1, 0x11, Self.v4Body + tlvs)) else {
      Issue.record("no header")
      return
    }
    #expect(
      header.tlvs == [
        .init(type: 1, value: bytes("h2")), .init(type: 0xea, value: []),
        .init(type: 4, value: [UInt8](repeating: 7, count: 256)),
      ])
    #expect(header.length == 16 + 12 + tlvs.count)
  }

  private static let malformedV2: [[UInt8]] = [
    signature + [0x11, 0x11, 0, 0], signature + [0x30, 0, 0, 0],
    v2(2, 0x11, v4Body), v2(15, 0, []), v2(1, 0x13, v4Body), v2(1, 0x41, v4Body),
    v2(1, 0x11, Array(v4Body.dropLast())), v2(1, 0x21, v4Body), v2(1, 0x31, v4Body),
    v2(1, 0x11, v4Body + [1]), v2(1, 0x11, v4Body + [1, 0]), v2(1, 0x11, v4Body + [1, 0, 1]),
    v2(1, 0x11, v4Body + [1, 0xff, 0xff, 0]),
  ]

  @Test(arguments: malformedV2)
  func malformedVersion2(_ input: [UInt8]) {
    #expect(parse(input) == .malformed(version: 2))
  }

  @Test func aWrongVersionIsToldBeforeTheRestIsThere() {
    #expect(parse(Self.signature + [0x30]) == .malformed(version: 2))
    #expect(parse(Self.signature + [0x2f]) == .needMore)
  }

  // MARK: Neither, and in pieces

  @Test(arguments: [
    "GET / HTTP/1.1\r\n", "PROXX", "proxy TCP4", "\r\n\r\nGET", "\u{16}\u{3}", "PROXY\tTCP4", " PROXY",
  ])
  func noHeader(_ input: String) {
    #expect(parse(input) == .notFound)
  }

  @Test func everyPrefixOfAHeaderAsksForMore() {
    let headers =
      [bytes("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), bytes("PROXY UNKNOWN\r\n")]
      + [
        Self.v2(1, 0x11, Self.v4Body + [1, 0, 1, 9]), Self.v2(0, 0, []),
        Self.v2(1, 0x21, Array(repeating: 1, count: 36)),
      ]
    for header in headers {
      for length in 0..<header.count { #expect(parse(Array(header.prefix(length))) == .needMore) }
      guard case .header(let whole) = parse(header),
        case .header(let more) = parse(header + [0x41, 0x0a])
      else {
        Issue.record("no header")
        continue
      }
      #expect(whole == more && whole.length == header.count)
    }
  }

  @Test func whatIsRefusedWholeIsNeverTakenInPieces() {
    for input in Self.malformedV2 {
      for length in 0..<input.count {
        let part = parse(Array(input.prefix(length)))
        #expect(part == .needMore || part == .malformed(version: 2))
      }
    }
  }
}
