// The address that this machine is known by: the first IPv4 address of an interface that is up and
// not the loopback one. Envoy names it where the peer is on the loopback interface.
import CMartletSystem
import Model

enum LocalNodeAddress {
  /// Looked up once; 127.0.0.1 where the machine has no other.
  static let ipv4: IPAddress = find() ?? IPAddress(v4: 0x7f00_0001)

  private static func find() -> IPAddress? {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return nil }
    defer { freeifaddrs(list) }
    var next = list
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = entry.ifa_addr, Int32(address.pointee.sa_family) == AF_INET,
        entry.ifa_flags & UInt32(IFF_UP) != 0
      else { continue }
      let raw = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self)
      let found = IPAddress(v4: UInt32(bigEndian: raw.sin_addr.s_addr))
      if !found.isLoopback { return found }
    }
    return nil
  }
}
