// Addresses as text, written without a `String`: IPv4 dotted, IPv6 as RFC 5952 has it.
import Model

enum AddressText {
  /// As `SocketAddress.description`: `127.0.0.1:80`, `[::1]:80`, the path, `@name`.
  static func write(_ address: SocketAddress, to out: TextBuffer) {
    switch address {
    case .ip(let ip, let port):
      if ip.family == .v6 { out.append(UInt8(ascii: "[")) }
      write(ip, to: out)
      if ip.family == .v6 { out.append(UInt8(ascii: "]")) }
      out.append(UInt8(ascii: ":"))
      out.append(decimal: UInt64(port))
    case .unix(let path, _): append(path, to: out)
    case .unixAbstract(let name):
      out.append(UInt8(ascii: "@"))
      append(name, to: out)
    }
  }

  /// Without the port; with a prefix length in CIDR notation.
  static func writeWithoutPort(_ address: SocketAddress, prefix: Int, to out: TextBuffer) {
    guard case .ip(let ip, _) = address else {
      write(address, to: out)
      return
    }
    guard prefix >= 0 else {
      write(ip, to: out)
      return
    }
    let length = Swift.min(prefix, ip.bitWidth)
    write(AddressPrefix(address: ip, length: length).address, to: out)
    out.append(UInt8(ascii: "/"))
    out.append(decimal: UInt64(length))
  }

  private static func append(_ text: String, to out: TextBuffer) {
    var text = text
    text.withUTF8 { bytes in
      if let base = bytes.baseAddress { out.append(ByteView(base, bytes.count)) }
    }
  }

  static func write(_ ip: IPAddress, to out: TextBuffer) {
    if ip.family == .v4 {
      writeV4(UInt32(truncatingIfNeeded: ip.high >> 32), to: out)
    } else if ip.high == 0, ip.low >> 32 == 0xffff {
      out.append("::ffff:")
      writeV4(UInt32(truncatingIfNeeded: ip.low), to: out)
    } else {
      writeV6(ip, to: out)
    }
  }

  private static func writeV4(_ bits: UInt32, to out: TextBuffer) {
    var shift: UInt32 = 24
    while true {
      out.append(decimal: UInt64((bits >> shift) & 255))
      if shift == 0 { return }
      out.append(UInt8(ascii: "."))
      shift -= 8
    }
  }

  private static func group(_ ip: IPAddress, _ index: Int) -> UInt64 {
    (index < 4 ? ip.high : ip.low) >> UInt64(48 - 16 * (index % 4)) & 0xffff
  }

  private static func writeV6(_ ip: IPAddress, to out: TextBuffer) {
    // The longest run of two or more zero groups, the first of equals, is written as `::`.
    var best = 0
    var bestStart = -1
    var index = 0
    while index < 8 {
      var end = index
      while end < 8, group(ip, end) == 0 { end += 1 }
      if end - index >= 2, end - index > best {
        best = end - index
        bestStart = index
      }
      index = Swift.max(end, index + 1)
    }
    index = 0
    while index < 8 {
      if index == bestStart {
        out.append("::")
        index += best
        continue
      }
      if index > 0, index != bestStart + best || bestStart < 0 { out.append(UInt8(ascii: ":")) }
      out.commit(writeHexadecimal(group(ip, index), to: out.reserve(16)))
      index += 1
    }
  }
}
