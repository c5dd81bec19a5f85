// IP addresses as text in headers, read and written without an allocation. Strict: no octal, no
// shortened IPv4, no port, no brackets, no zone (RFC 6943 section 3.1.1).
import CMartletSystem
import Model

enum AddressText {
  /// The longest text of an address.
  static let maxLength = 45

  static func parse(_ text: ByteView) -> IPAddress? {
    guard text.count > 1, text.count <= maxLength else { return nil }
    if text.firstIndex(of: UInt8(ascii: ":")) == nil { return parseV4(text) }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maxLength + 1) { copy in
      guard let base = copy.baseAddress else { return nil }
      base.update(from: text.base, count: text.count)
      base[text.count] = 0
      var address = in6_addr()
      guard inet_pton(AF_INET6, UnsafeRawPointer(base).assumingMemoryBound(to: CChar.self), &address) == 1
      else { return nil }
      return withUnsafeBytes(of: address) { raw in
        IPAddress(
          v6High: UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
          low: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
      }
    }
  }

  private static func parseV4(_ text: ByteView) -> IPAddress? {
    var result: UInt32 = 0
    var octet: UInt32 = 0
    var digits = 0
    var dots = 0
    for index in 0..<text.count {
      let byte = text[index]
      if byte == UInt8(ascii: ".") {
        guard digits > 0, dots < 3 else { return nil }
        result = result << 8 | octet
        octet = 0
        digits = 0
        dots += 1
        continue
      }
      let digit = byte &- 0x30
      // A leading zero would be octal to some readers.
      guard digit < 10, digits == 0 || octet > 0 else { return nil }
      octet = octet * 10 + UInt32(digit)
      digits += 1
      guard octet <= 255 else { return nil }
    }
    guard dots == 3, digits > 0 else { return nil }
    return IPAddress(v4: result << 8 | octet)
  }

  /// Writes `maxLength` bytes at most and returns how many. `mapped`: an IPv4 address as the IPv6
  /// address that stands for it (RFC 4291 section 2.5.5.2).
  static func write(_ address: IPAddress, mapped: Bool = false, to out: UnsafeMutablePointer<UInt8>) -> Int {
    guard address.family == .v4 else { return writeV6(address, to: out) }
    var length = 0
    if mapped {
      let prefix: StaticString = "::ffff:"
      out.update(from: prefix.utf8Start, count: prefix.utf8CodeUnitCount)
      length = prefix.utf8CodeUnitCount
    }
    for shift in stride(from: UInt64(56), through: 32, by: -8) {
      length += writeDecimal(address.high >> shift & 255, to: out + length)
      if shift > 32 {
        out[length] = UInt8(ascii: ".")
        length += 1
      }
    }
    return length
  }

  private static func group(_ address: IPAddress, _ index: Int) -> UInt64 {
    (index < 4 ? address.high : address.low) >> UInt64(48 - 16 * (index % 4)) & 0xffff
  }

  /// RFC 5952: the longest run of two or more zero groups, the first of equals, is written as `::`.
  private static func writeV6(_ address: IPAddress, to out: UnsafeMutablePointer<UInt8>) -> Int {
    if address.high == 0, address.low >> 32 == 0xffff {
      return write(IPAddress(v4: UInt32(truncatingIfNeeded: address.low)), mapped: true, to: out)
    }
    var best = 0
    var bestStart = -1
    var index = 0
    while index < 8 {
      var end = index
      while end < 8, group(address, end) == 0 { end += 1 }
      if end - index >= 2, end - index > best {
        best = end - index
        bestStart = index
      }
      index = Swift.max(end, index + 1)
    }
    var length = 0
    index = 0
    while index < 8 {
      if index == bestStart {
        out[length] = UInt8(ascii: ":")
        out[length + 1] = UInt8(ascii: ":")
        length += 2
        index += best
        continue
      }
      if index > 0, index != bestStart + best || bestStart < 0 {
        out[length] = UInt8(ascii: ":")
        length += 1
      }
      length += writeHexadecimal(group(address, index), to: out + length)
      index += 1
    }
    return length
  }
}
