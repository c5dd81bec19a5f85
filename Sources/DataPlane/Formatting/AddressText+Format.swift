// Addresses as formats write them: with or without port, with a prefix length.
import Model

extension AddressText {
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
    out.commit(write(ip, to: out.reserve(maxLength)))
  }
}
