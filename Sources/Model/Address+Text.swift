// The text form of addresses: parsing as RFC 4291 section 2.2 and RFC 6943 (no octal, no
// shortened IPv4), printing as RFC 5952.

extension IPAddress {
  /// Parses a literal. Nil when it is not one: names are never resolved here.
  public init?(_ text: some StringProtocol) {
    if text.utf8.contains(UInt8(ascii: ":")) {
      guard let (high, low) = Self.parseV6(Array(text.utf8)) else { return nil }
      self.init(v6High: high, low: low)
    } else {
      guard let address = Self.parseV4(Array(text.utf8)[...]) else { return nil }
      self.init(v4: address)
    }
  }

  private static func parseV4(_ bytes: ArraySlice<UInt8>) -> UInt32? {
    var result: UInt32 = 0
    let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    for part in parts {
      // A leading zero would be octal to some readers and decimal to others: refused.
      guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else {
        return nil
      }
      var octet: UInt32 = 0
      for byte in part {
        guard byte >= 0x30 && byte <= 0x39 else { return nil }
        octet = octet * 10 + UInt32(byte - 0x30)
      }
      guard octet <= 255 else { return nil }
      result = result << 8 | octet
    }
    return result
  }

  private static func parseV6(_ bytes: [UInt8]) -> (UInt64, UInt64)? {
    var groups: [UInt16] = []
    var gap: Int?
    var index = 0
    if bytes.count >= 2, bytes[0] == 0x3a, bytes[1] == 0x3a {
      gap = 0
      index = 2
    }
    while index < bytes.count {
      let end = bytes[index...].firstIndex(of: 0x3a) ?? bytes.count
      let part = bytes[index..<end]
      if part.contains(UInt8(ascii: ".")) {
        guard end == bytes.count, groups.count <= 6, let v4 = parseV4(part) else { return nil }
        groups.append(UInt16(v4 >> 16))
        groups.append(UInt16(v4 & 0xffff))
        index = end
        break
      }
      guard (1...4).contains(part.count) else { return nil }
      var group: UInt16 = 0
      for byte in part {
        guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
        group = group << 4 | UInt16(digit)
      }
      groups.append(group)
      guard groups.count <= 8 else { return nil }
      index = end
      if index == bytes.count { break }
      index += 1
      guard index < bytes.count else { return nil }  // a trailing single colon
      if bytes[index] == 0x3a {
        guard gap == nil else { return nil }
        gap = groups.count
        index += 1
      }
    }
    if let gap {
      guard groups.count <= 7 else { return nil }
      groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
    }
    guard groups.count == 8 else { return nil }
    let high = groups[0..<4].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
    let low = groups[4..<8].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
    return (high, low)
  }
}

extension IPAddress: CustomStringConvertible {
  public var description: String {
    if family == .v4 {
      let bits = UInt32(high >> 32)
      return "\(bits >> 24).\((bits >> 16) & 255).\((bits >> 8) & 255).\(bits & 255)"
    }
    if high == 0, low >> 32 == 0xffff {
      return "::ffff:\(IPAddress(v4: UInt32(truncatingIfNeeded: low)))"
    }
    let groups = (0..<8).map {
      UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64(48 - 16 * ($0 % 4)))
    }
    // RFC 5952 section 4.2: the longest run of two or more zero groups, the first of equals.
    var best = 0..<0
    var start = 0
    while start < 8 {
      guard groups[start] == 0 else {
        start += 1
        continue
      }
      var end = start
      while end < 8, groups[end] == 0 { end += 1 }
      if end - start >= 2, end - start > best.count { best = start..<end }
      start = end
    }
    func text(_ slice: ArraySlice<UInt16>) -> String {
      slice.map { String($0, radix: 16) }.joined(separator: ":")
    }
    if best.isEmpty { return text(groups[...]) }
    return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
  }
}

extension AddressPrefix: CustomStringConvertible {
  public var description: String { "\(address)/\(length)" }
}

extension SocketAddress: CustomStringConvertible {
  /// As Envoy prints it: `127.0.0.1:80`, `[::1]:80`, the path, or `@name`.
  public var description: String {
    switch self {
    case .ip(let address, let port):
      address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    case .unix(let path, _): path
    case .unixAbstract(let name): "@\(name)"
    }
  }
}
