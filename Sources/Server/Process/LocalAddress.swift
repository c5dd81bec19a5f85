// The address by which this machine names itself (`--local-address-ip-version`).
//
// Envoy calls it the local address: the first of the interfaces' addresses of the wanted version
// that is not loopback, and loopback where there is none.
import Glibc
import Model

/// Finds the local address.
enum LocalAddress {
  static func find(_ version: ServerOptions.IPVersion) -> IPAddress {
    let loopback = version == .v4 ? IPAddress(v4: 0x7f00_0001) : IPAddress(v6High: 0, low: 1)
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return loopback }
    defer { freeifaddrs(list) }
    var next = list
    while let interface = next {
      defer { next = interface.pointee.ifa_next }
      guard let address = interface.pointee.ifa_addr else { continue }
      if let found = ipAddress(address, version), !found.isLoopback { return found }
    }
    return loopback
  }

  private static func ipAddress(
    _ address: UnsafeMutablePointer<sockaddr>, _ version: ServerOptions.IPVersion
  ) -> IPAddress? {
    let raw = UnsafeRawPointer(address)
    switch (version, Int32(address.pointee.sa_family)) {
    case (.v4, AF_INET):
      let v4 = raw.loadUnaligned(as: sockaddr_in.self)
      return IPAddress(v4: UInt32(bigEndian: v4.sin_addr.s_addr))
    case (.v6, AF_INET6):
      let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr) ?? 8
      let high = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      let low = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
      // Link-local addresses mean nothing without their interface.
      return high >> 54 == 0x3fa ? nil : IPAddress(v6High: high, low: low)
    default: return nil
    }
  }
}
