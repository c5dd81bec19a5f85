// How upstream connections are made.

public struct UpstreamConnections: Hashable, Sendable {
  public var keepAlive: TCPKeepAlive?
  /// Where connections come from: an address for a family at most. Ports may be 0.
  public var sourceAddresses: [SocketAddress] = []
  /// Source addresses need not be the machine's.
  public var freebind = false
  /// Set before the socket is bound and connected.
  public var socketOptions: [SocketOption] = []
  public var addressOrder = AddressOrder()
  /// Connections of an endpoint for each request in flight, 1...3.
  public var preconnectRatio = 1.0
  public init() {}
}

/// Probes on connections that are silent. Nil: the system's value.
public struct TCPKeepAlive: Hashable, Sendable {
  public var probes: UInt32?
  /// Seconds.
  public var time: UInt32?
  /// Seconds.
  public var interval: UInt32?
  public init() {}
}

/// In which order the addresses of one endpoint are tried (RFC 8305).
public struct AddressOrder: Hashable, Sendable {
  /// Nil: the family of the first address.
  public var firstFamily: IPAddress.Family?
  /// Addresses of the first family before one of the other, 1...
  public var firstFamilyCount: UInt32 = 1
  public init() {}
}
