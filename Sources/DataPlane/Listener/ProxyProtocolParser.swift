// The PROXY protocol's header (haproxy.org's proxy-protocol.txt, revision 2020/03/05), versions 1
// and 2: a pure function over the bytes that have come so far.
import Model

struct ProxyProtocolHeader: Equatable {
  struct TLV: Equatable {
    let type: UInt8
    let value: [UInt8]
  }
  /// 1 or 2.
  var version: UInt8
  /// Bytes to remove from the stream.
  var length: Int
  /// Nil for LOCAL, UNKNOWN and families without addresses: the socket's own stand.
  var source: SocketAddress?
  var destination: SocketAddress?
  var tlvs: [TLV] = []
}

enum ProxyProtocolParser {
  enum Outcome: Equatable {
    case needMore
    case header(ProxyProtocolHeader)
    /// The bytes are no PROXY header at all.
    case notFound
    /// They begin like one and are malformed; the version that they claim.
    case malformed(version: UInt8)
  }

  /// Version 1 lines have 107 bytes at most, CRLF included.
  private static let maxV1 = 107
  private static let v2Signature: [UInt8] = [
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
  ]
  private static let v1Signature = Array("PROXY ".utf8)
  /// TLVs are bounded by the 16-bit length of version 2: 65,535 bytes.
  static let maxLength = 16 + 65_535

  static func parse(_ bytes: ByteView) -> Outcome {
    if bytes.count == 0 { return .needMore }
    if startsLike(bytes, v2Signature) {
      return bytes.count < 16 ? partialV2(bytes) : parseV2(bytes)
    }
    if startsLike(bytes, v1Signature) {
      return bytes.count < v1Signature.count ? .needMore : parseV1(bytes)
    }
    return .notFound
  }

  /// True when `bytes` is a prefix of the signature or the other way round.
  private static func startsLike(_ bytes: ByteView, _ signature: [UInt8]) -> Bool {
    for index in 0..<Swift.min(bytes.count, signature.count) where bytes[index] != signature[index] {
      return false
    }
    return true
  }

  // MARK: Version 1

  private static func parseV1(_ bytes: ByteView) -> Outcome {
    let window = bytes.prefix(Swift.min(bytes.count, maxV1))
    guard let lineFeed = window.firstIndex(of: 0x0a) else {
      return window.count == maxV1 ? .malformed(version: 1) : .needMore
    }
    guard lineFeed > 0, window[lineFeed - 1] == 0x0d else { return .malformed(version: 1) }
    let text = window.prefix(lineFeed - 1).dropFirst(v1Signature.count).string
    var header = ProxyProtocolHeader(version: 1, length: lineFeed + 1)
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    if parts.first == "UNKNOWN" { return .header(header) }
    guard parts.count == 5, let source = IPAddress(parts[1]), let destination = IPAddress(parts[2]),
      let sourcePort = port(parts[3]), let destinationPort = port(parts[4]),
      source.family == destination.family
    else { return .malformed(version: 1) }
    guard (parts[0] == "TCP4" && source.family == .v4) || (parts[0] == "TCP6" && source.family == .v6)
    else { return .malformed(version: 1) }
    header.source = .ip(source, port: sourcePort)
    header.destination = .ip(destination, port: destinationPort)
    return .header(header)
  }

  private static func port(_ text: Substring) -> UInt16? {
    guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ $0 &- 0x30 < 10 }),
      text.utf8.count == 1 || text.utf8.first != 0x30
    else { return nil }
    return UInt16(text)
  }

  // MARK: Version 2

  private static func partialV2(_ bytes: ByteView) -> Outcome {
    if bytes.count > 12, bytes[12] >> 4 != 2 { return .malformed(version: 2) }
    return .needMore
  }

  private static func parseV2(_ bytes: ByteView) -> Outcome {
    guard bytes[12] >> 4 == 2 else { return .malformed(version: 2) }
    let command = bytes[12] & 15
    let family = bytes[13] >> 4
    let transport = bytes[13] & 15
    guard command <= 1 else { return .malformed(version: 2) }
    let length = Int(bytes[14]) << 8 | Int(bytes[15])
    guard bytes.count >= 16 + length else { return .needMore }
    let body = bytes.dropFirst(16).prefix(length)
    var header = ProxyProtocolHeader(version: 2, length: 16 + length)
    // LOCAL: the proxy speaks for itself (a health check); whatever follows is not looked at.
    if command == 0 { return .header(header) }
    guard transport <= 1 else { return .malformed(version: 2) }
    var addressLength = 0
    switch family {
    case 0: addressLength = 0
    case 1:
      addressLength = 12
      guard length >= addressLength else { return .malformed(version: 2) }
      header.source = .ip(IPAddress(v4: UInt32(number(body, 0, 4))), port: UInt16(number(body, 8, 2)))
      header.destination = .ip(
        IPAddress(v4: UInt32(number(body, 4, 4))), port: UInt16(number(body, 10, 2)))
    case 2:
      addressLength = 36
      guard length >= addressLength else { return .malformed(version: 2) }
      header.source = .ip(
        IPAddress(v6High: number(body, 0, 8), low: number(body, 8, 8)),
        port: UInt16(number(body, 32, 2)))
      header.destination = .ip(
        IPAddress(v6High: number(body, 16, 8), low: number(body, 24, 8)),
        port: UInt16(number(body, 34, 2)))
    case 3:
      addressLength = 216
      guard length >= addressLength else { return .malformed(version: 2) }
      header.source = unixAddress(body.prefix(108))
      header.destination = unixAddress(body.dropFirst(108).prefix(108))
    default:
      return .malformed(version: 2)
    }
    guard parseTLVs(body.dropFirst(addressLength), into: &header.tlvs) else {
      return .malformed(version: 2)
    }
    return .header(header)
  }

  private static func number(_ bytes: ByteView, _ offset: Int, _ count: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<count { value = value << 8 | UInt64(bytes[offset + index]) }
    return value
  }

  private static func unixAddress(_ bytes: ByteView) -> SocketAddress {
    let end = bytes.firstIndex(of: 0) ?? bytes.count
    return .unix(path: bytes.prefix(end).string, mode: 0)
  }

  private static func parseTLVs(_ bytes: ByteView, into tlvs: inout [ProxyProtocolHeader.TLV]) -> Bool {
    var index = 0
    while index < bytes.count {
      guard index + 3 <= bytes.count else { return false }
      let length = Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
      guard index + 3 + length <= bytes.count else { return false }
      tlvs.append(
        .init(type: bytes[index], value: bytes.dropFirst(index + 3).prefix(length).array))
      index += 3 + length
    }
    return true
  }
}
