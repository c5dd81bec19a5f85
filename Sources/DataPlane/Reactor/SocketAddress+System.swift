// Between `SocketAddress` and the kernel's `sockaddr`.
import CMartletSystem
import Model

/// A `sockaddr` and its length.
struct SystemAddress {
  var storage = sockaddr_storage()
  var length: socklen_t = 0

  var family: Int32 { Int32(storage.ss_family) }

  init() {}

  /// Nil when a path is too long for `sun_path` (107 bytes).
  init?(_ address: SocketAddress) {
    switch address {
    case .ip(let ip, let port): self.init(ip, port: port)
    case .unix(let path, _):
      self.init()
      guard path.utf8.count < 108 else { return nil }
      setPath(Array(path.utf8) + [0])
    case .unixAbstract(let name):
      self.init()
      guard name.utf8.count < 108 else { return nil }
      setPath([0] + Array(name.utf8))
    }
  }

  init(_ ip: IPAddress, port: UInt16) {
    withUnsafeMutableBytes(of: &storage) { bytes in
      switch ip.family {
      case .v4:
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(ip.high >> 32).bigEndian
        bytes.storeBytes(of: address, as: sockaddr_in.self)
      case .v6:
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        withUnsafeMutableBytes(of: &address.sin6_addr) { raw in
          raw.storeBytes(of: ip.high.bigEndian, as: UInt64.self)
          raw.storeBytes(of: ip.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        bytes.storeBytes(of: address, as: sockaddr_in6.self)
      }
    }
    length = socklen_t(
      ip.family == .v4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
  }

  private mutating func setPath(_ path: [UInt8]) {
    let offset = MemoryLayout<sockaddr_un>.offset(of: \sockaddr_un.sun_path) ?? 2
    withUnsafeMutableBytes(of: &storage) { bytes in
      bytes.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
      for (index, byte) in path.enumerated() { bytes[offset + index] = byte }
    }
    length = socklen_t(offset + path.count)
  }

  /// The address without its socket: nil for families we do not know.
  var address: SocketAddress? {
    withUnsafeBytes(of: storage) { bytes in
      switch family {
      case AF_INET:
        let raw = bytes.load(as: sockaddr_in.self)
        return .ip(
          IPAddress(v4: UInt32(bigEndian: raw.sin_addr.s_addr)), port: UInt16(bigEndian: raw.sin_port))
      case AF_INET6:
        let high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        let low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        let port = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        // A mapped address is the IPv4 peer that it is: rules for prefixes must see it so.
        if high == 0, low >> 32 == 0xffff {
          return .ip(IPAddress(v4: UInt32(truncatingIfNeeded: low)), port: port)
        }
        return .ip(IPAddress(v6High: high, low: low), port: port)
      case AF_UNIX:
        let offset = MemoryLayout<sockaddr_un>.offset(of: \sockaddr_un.sun_path) ?? 2
        guard Int(length) > offset else { return .unix(path: "", mode: 0) }
        let path = bytes[offset..<Int(length)]
        if path.first == 0 {
          return .unixAbstract(name: String(decoding: path.dropFirst(), as: UTF8.self))
        }
        return .unix(path: String(decoding: path.prefix { $0 != 0 }, as: UTF8.self), mode: 0)
      default:
        return nil
      }
    }
  }
}
