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

  private static func writeV6(_ address: IPAddress, to out: UnsafeMutablePointer<UInt8>) -> Int {
    var raw = in6_addr()
    withUnsafeMutableBytes(of: &raw) { bytes in
      bytes.storeBytes(of: address.high.bigEndian, as: UInt64.self)
      bytes.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: maxLength + 1) { text in
      guard let base = text.baseAddress,
        inet_ntop(AF_INET6, &raw, base, socklen_t(maxLength + 1)) != nil
      else { return 0 }
      let length = strlen(base)
      out.update(from: UnsafeRawPointer(base).assumingMemoryBound(to: UInt8.self), count: length)
      return length
    }
  }
}
