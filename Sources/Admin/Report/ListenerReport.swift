// A listener as `/listeners` shows it.
public import Model

/// A bound listener.
public struct ListenerReport: Sendable, Hashable {
  public let name: String
  /// Real addresses, ports resolved; the main one first. Never empty.
  public let addresses: [SocketAddress]

  public init(name: String, addresses: [SocketAddress]) {
    self.name = name
    self.addresses = addresses
  }
}
