// Addresses as the configuration names them: where a listener binds, where an endpoint is,
// which prefixes a filter chain matches. Plain values without a socket behind them; the data
// plane turns them into `sockaddr`s.

/// An IPv4 or IPv6 address.
///
/// Sixteen bytes in network order whatever the family, an IPv4 address in the first four, so
/// that a comparison never allocates.
public struct IPAddress: Hashable, Sendable {
  public enum Family: UInt8, Sendable { case v4, v6 }

  public let family: Family
  /// The first eight bytes, most significant first. For IPv4 the address is in the top 32 bits.
  public let high: UInt64
  /// The last eight bytes, most significant first. Zero for IPv4.
  public let low: UInt64

  public init(v4 address: UInt32) {
    family = .v4
    high = UInt64(address) << 32
    low = 0
  }

  public init(v6High high: UInt64, low: UInt64) {
    family = .v6
    self.high = high
    self.low = low
  }

  /// 32 or 128.
  public var bitWidth: Int { family == .v4 ? 32 : 128 }

  public static let anyV4 = IPAddress(v4: 0)
  public static let anyV6 = IPAddress(v6High: 0, low: 0)

  /// 127.0.0.0/8, ::1 and IPv4-mapped loopback.
  public var isLoopback: Bool {
    switch family {
    case .v4: high >> 56 == 127
    case .v6: (high == 0 && low == 1) || (high == 0 && low >> 32 == 0xffff && (low >> 24) & 0xff == 127)
    }
  }
}

/// An address range, RFC 4632 section 3.1 (`CidrRange`).
public struct AddressPrefix: Hashable, Sendable {
  public let address: IPAddress
  /// 0...32 for IPv4, 0...128 for IPv6.
  public let length: Int

  /// The host bits of `address` are cleared, as Envoy does.
  public init(address: IPAddress, length: Int) {
    precondition(length >= 0 && length <= address.bitWidth)
    self.length = length
    let highMask: UInt64 = length == 0 ? 0 : length >= 64 ? ~0 : ~0 << UInt64(64 - length)
    switch address.family {
    case .v4:
      self.address = IPAddress(v4: UInt32((address.high & highMask) >> 32))
    case .v6:
      let lowMask: UInt64 = length <= 64 ? 0 : length == 128 ? ~0 : ~0 << UInt64(128 - length)
      self.address = IPAddress(v6High: address.high & highMask, low: address.low & lowMask)
    }
  }

  public func contains(_ other: IPAddress) -> Bool {
    guard other.family == address.family else { return false }
    return AddressPrefix(address: other, length: length).address == address
  }
}

/// Where a socket binds or connects to.
public enum SocketAddress: Hashable, Sendable {
  case ip(IPAddress, port: UInt16)
  /// A path in the file system. `mode` is the permission bits for a bound socket (0: left alone).
  case unix(path: String, mode: UInt32)
  /// A name in Linux's abstract namespace, without the leading NUL (Envoy writes it with `@`).
  case unixAbstract(name: String)
}
