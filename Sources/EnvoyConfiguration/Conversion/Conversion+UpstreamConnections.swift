// How upstream connections are made: keep-alive probes, where they come from, preconnecting.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func upstreamConnections(
    _ message: Envoy_Config_Cluster_V3_Cluster, at place: Place
  ) -> UpstreamConnections {
    var result = UpstreamConnections()
    let options = message.upstreamConnectionOptions
    if options.hasTcpKeepalive {
      var keepAlive = TCPKeepAlive()
      let probes = options.tcpKeepalive
      if probes.hasKeepaliveProbes { keepAlive.probes = probes.keepaliveProbes.value }
      if probes.hasKeepaliveTime { keepAlive.time = probes.keepaliveTime.value }
      if probes.hasKeepaliveInterval { keepAlive.interval = probes.keepaliveInterval.value }
      result.keepAlive = keepAlive
    }
    if options.hasHappyEyeballsConfig {
      let config = options.happyEyeballsConfig
      switch config.firstAddressFamilyVersion {
      case .v4: result.addressOrder.firstFamily = .v4
      case .v6: result.addressOrder.firstFamily = .v6
      default: break
      }
      if config.hasFirstAddressFamilyCount {
        result.addressOrder.firstFamilyCount = config.firstAddressFamilyCount.value
      }
    }
    if message.hasUpstreamBindConfig {
      readBinding(message.upstreamBindConfig, into: &result, at: place.field("upstream_bind_config"))
    }
    if message.preconnectPolicy.hasPerUpstreamPreconnectRatio {
      result.preconnectRatio = message.preconnectPolicy.perUpstreamPreconnectRatio.value
    }
    return result
  }

  private func readBinding(
    _ message: Envoy_Config_Core_V3_BindConfig, into result: inout UpstreamConnections,
    at place: Place
  ) {
    result.freebind = message.freebind.value
    result.socketOptions = socketOptions(
      message.socketOptions, at: place.field("socket_options"))
    for (index, option) in result.socketOptions.enumerated() where option.state == .listening {
      error(
        "an upstream connection never listens",
        at: place.field("socket_options").element(index).field("state"))
    }
    guard message.hasSourceAddress else {
      if !message.extraSourceAddresses.isEmpty {
        error("needs `source_address`", at: place.field("extra_source_addresses"))
      }
      return
    }
    func add(_ address: Envoy_Config_Core_V3_SocketAddress, at place: Place) {
      if let source = ipAddress(address, at: place) { result.sourceAddresses.append(source) }
    }
    add(message.sourceAddress, at: place.field("source_address"))
    let extra = place.field("extra_source_addresses")
    for (index, address) in message.extraSourceAddresses.enumerated() {
      add(address.address, at: extra.element(index).field("address"))
    }
    let families = result.sourceAddresses.compactMap { source -> IPAddress.Family? in
      if case .ip(let ip, _) = source { ip.family } else { nil }
    }
    if message.extraSourceAddresses.count > 1 || Set(families).count < families.count {
      error("expected at most one address, of the other family than `source_address`", at: extra)
    }
  }
}
