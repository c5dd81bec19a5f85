// Addresses, address ranges and socket options.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  /// Nil where it is none; the reason is among the findings then.
  func address(_ address: Envoy_Config_Core_V3_Address, at place: Place, isListener: Bool)
    -> Listener.Address?
  {
    switch address.address {
    case .socketAddress(let socket)?:
      return socketAddress(socket, at: place.field("socket_address"), isListener: isListener)
    case .pipe(let pipe)?:
      return self.pipe(pipe, at: place.field("pipe")).map { Listener.Address($0) }
    case nil:
      if place.isDoubtful { return nil }
      error("one of `socket_address`, `pipe` is required", at: place)
      return nil
    }
  }

  private func socketAddress(
    _ socket: Envoy_Config_Core_V3_SocketAddress, at place: Place, isListener: Bool
  ) -> Listener.Address? {
    guard let ip = IPAddress(socket.address) else {
      error(
        "expected an IPv4 or IPv6 address, found \"\(socket.address)\"; names are resolved only "
          + "in clusters of the types STRICT_DNS and LOGICAL_DNS",
        at: place.field("address"))
      return nil
    }
    var result = Listener.Address(.ip(ip, port: UInt16(clamping: socket.portValue)))
    if socket.ipv4Compat {
      let isMapped = ip.family == .v6 && ip.high == 0 && ip.low >> 32 == 0xffff
      if !isListener || (ip != .anyV6 && !isMapped) {
        error(
          "it has a meaning only for a listener on `::` or on an IPv4-mapped address",
          at: place.field("ipv4_compat"))
      }
      result.ipv4Compatible = true
    }
    return result
  }

  /// An IP address that is no listener's.
  func ipAddress(_ socket: Envoy_Config_Core_V3_SocketAddress, at place: Place) -> SocketAddress? {
    socketAddress(socket, at: place, isListener: false)?.address
  }

  private func pipe(_ pipe: Envoy_Config_Core_V3_Pipe, at place: Place) -> SocketAddress? {
    let path = place.field("path")
    // sockaddr_un: 108 bytes, one of them the terminating (or, if abstract, the leading) NUL.
    guard pipe.path.utf8.count <= 107 else {
      error("a socket's path has at most 107 bytes", at: path)
      return nil
    }
    guard !pipe.path.utf8.contains(0) else {
      error("a socket's path has no NUL", at: path)
      return nil
    }
    guard pipe.path.hasPrefix("@") else { return .unix(path: pipe.path, mode: pipe.mode) }
    guard pipe.path.utf8.count > 1 else {
      error("an abstract socket has a name after the @", at: path)
      return nil
    }
    if pipe.mode != 0 {
      error("an abstract socket has no permission bits", at: place.field("mode"))
    }
    return .unixAbstract(name: String(pipe.path.dropFirst()))
  }

  func prefixes(_ ranges: [Envoy_Config_Core_V3_CidrRange], at place: Place) -> [AddressPrefix] {
    ranges.enumerated().compactMap { index, range in
      prefix(range.addressPrefix, length: range.prefixLen.value, at: place.element(index))
    }
  }

  /// Nil with a finding where it is wrong.
  func prefix(_ text: String, length: UInt32, at place: Place) -> AddressPrefix? {
    guard let address = IPAddress(text) else {
      error("expected an IPv4 or IPv6 address, found \"\(text)\"", at: place.field("address_prefix"))
      return nil
    }
    guard length <= UInt32(address.bitWidth) else {
      error(
        "expected a number from 0 to \(address.bitWidth), found \(length)", at: place.field("prefix_len"))
      return nil
    }
    return AddressPrefix(address: address, length: Int(length))
  }

  func socketOptions(_ options: [Envoy_Config_Core_V3_SocketOption], at place: Place)
    -> [SocketOption]
  {
    options.enumerated().compactMap { index, option in
      let optionPlace = place.element(index)
      guard let level = Int32(exactly: option.level), let name = Int32(exactly: option.name) else {
        error("`level` and `name` are numbers of 32 bits", at: optionPlace)
        return nil
      }
      let value: SocketOption.Value
      switch option.value {
      case .intValue(let number)?:
        guard Int32(exactly: number) != nil else {
          error(
            "expected a number of 32 bits, as setsockopt(2) takes it",
            at: optionPlace.field("int_value"))
          return nil
        }
        value = .int(number)
      case .bufValue(let bytes)?: value = .bytes(Array(bytes))
      case nil: return nil  // required by the proto file
      }
      let state: SocketOption.State =
        switch option.state {
        case .stateBound: .bound
        case .stateListening: .listening
        default: .preBind
        }
      return SocketOption(level: level, name: name, value: value, state: state)
    }
  }
}
