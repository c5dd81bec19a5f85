// Asking the kernel where a socket is bound and where a redirected connection was going.
import CMartletSystem
import Model

enum ListenSocketAddress {
  /// The address that the peer connected to, or that a listening socket has. Nil when closed.
  static func local(of descriptor: Int32) -> SocketAddress? {
    var system = SystemAddress()
    system.length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = martlet_local_address(descriptor, &system.storage, &system.length)
    return result < 0 ? nil : system.address
  }

  /// Where the connection was going before a firewall rule redirected it. Nil when it was not.
  static func originalDestination(of descriptor: Int32, isIPv6: Bool) -> SocketAddress? {
    var system = SystemAddress()
    system.length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = martlet_original_destination(
      descriptor, isIPv6 ? 1 : 0, &system.storage, &system.length)
    return result < 0 ? nil : system.address
  }
}
