// Listeners: addresses, limits, listener filters, and the rules between listeners.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func listeners(_ listeners: [Envoy_Config_Listener_V3_Listener], at place: Place) -> [Listener] {
    var result: [Listener] = []
    var names: [String: Int] = [:]
    for (index, message) in listeners.enumerated()
    where !message.name.isEmpty && names[message.name] == nil {
      names[message.name] = index
    }
    var bound: [SocketAddress: String] = [:]
    for (index, message) in listeners.enumerated() {
      let listenerPlace = place.element(index)
      if let first = names[message.name], first != index {
        error(
          "the name \"\(message.name)\" is taken by the listener at index \(first)",
          at: listenerPlace.field("name"))
      }
      var listener = listener(message, at: listenerPlace)
      if listener.name.isEmpty {
        listener.name = Self.freeName(for: listener, index: index, taken: names)
        names[listener.name] = index
      }
      checkAddresses(listener, &bound, at: listenerPlace)
      result.append(listener)
    }
    return result
  }

  /// A name for a listener without one, as its address says; Envoy takes a random UUID.
  private static func freeName(for listener: Listener, index: Int, taken: [String: Int]) -> String {
    let base = listener.addresses[0].address.description
    var name = base
    // The index is unique; another listener may still be called just so.
    var suffix = "#\(index)"
    while taken[name] != nil {
      name = base + suffix
      suffix += "#"
    }
    return name
  }

  private func checkAddresses(
    _ listener: Listener, _ bound: inout [SocketAddress: String], at place: Place
  ) {
    guard listener.bindToPort else { return }
    for (index, address) in listener.addresses.enumerated() {
      // Port 0 is a different port each time.
      if case .ip(_, 0) = address.address { continue }
      let at =
        index == 0
        ? place.field("address") : place.field("additional_addresses").element(index - 1)
      if at.isDoubtful { continue }
      if let other = bound[address.address] {
        error(
          other == listener.name
            ? "the address \(address.address) stands in this listener twice"
            : "the address \(address.address) is taken by the listener \"\(other)\"", at: at)
      }
      bound[address.address] = listener.name
    }
  }

  /// What stands for an address that is wrong, so that the rest of its listener is looked at too.
  private static let noAddress = Listener.Address(.ip(.anyV4, port: 0))

  private func listener(_ message: Envoy_Config_Listener_V3_Listener, at place: Place) -> Listener {
    var main = Self.noAddress
    if message.hasAddress {
      main =
        address(message.address, at: place.field("address"), isListener: true) ?? Self.noAddress
    } else {
      error("is required", at: place.field("address"))
    }
    var addresses = [main]
    for (index, additional) in message.additionalAddresses.enumerated() {
      let additionalPlace = place.field("additional_addresses").element(index)
      var address = Self.noAddress
      if additional.hasAddress {
        address =
          self.address(
            additional.address, at: additionalPlace.field("address"), isListener: true)
          ?? Self.noAddress
      } else {
        error("is required", at: additionalPlace.field("address"))
      }
      if additional.hasSocketOptions {
        address.socketOptions = socketOptions(
          additional.socketOptions.socketOptions,
          at: additionalPlace.field("socket_options").field("socket_options"))
      }
      addresses.append(address)
    }
    var listener = Listener(
      name: message.name,
      // Envoy makes an underscore of every colon in the name of a statistic.
      statPrefix: (message.statPrefix.isEmpty ? main.address.description : message.statPrefix)
        .replacing(":", with: "_"),
      addresses: addresses)
    readSockets(message, into: &listener, at: place)
    listener.metadata = metadata(message.metadata, at: place.field("metadata"))
    listener.isInbound = message.trafficDirection == .inbound
    if message.hasUseOriginalDst { listener.useOriginalDestination = message.useOriginalDst.value }
    listener.maxConnections =
      message.name.isEmpty
      ? nil : runtimeLimit("envoy.resource_limits.listener.\(message.name).connection_limit")
    listener.listenerFilters = listenerFilters(message, at: place.field("listener_filters"))
    listener.listenerFiltersTimeout = timeout(
      message.listenerFiltersTimeout, isSet: message.hasListenerFiltersTimeout, absent: .seconds(15)
    )
    listener.continueOnListenerFiltersTimeout = message.continueOnListenerFiltersTimeout
    readChains(message, into: &listener, at: place)
    listener.accessLogs = accessLogs(message.accessLog, at: place.field("access_log"))
    return listener
  }

  private func readSockets(
    _ message: Envoy_Config_Listener_V3_Listener, into listener: inout Listener, at place: Place
  ) {
    if message.hasBindToPort { listener.bindToPort = message.bindToPort.value }
    if message.hasEnableReusePort { listener.enableReusePort = message.enableReusePort.value }
    if message.hasTcpBacklogSize {
      if message.tcpBacklogSize.value == 0 || message.tcpBacklogSize.value > UInt32(Int32.max) {
        error("expected a number from 1 to \(Int32.max)", at: place.field("tcp_backlog_size"))
      }
      listener.backlog = Int32(clamping: message.tcpBacklogSize.value)
    }
    if message.hasPerConnectionBufferLimitBytes {
      listener.perConnectionBufferLimit = bufferLimit(
        message.perConnectionBufferLimitBytes.value,
        at: place.field("per_connection_buffer_limit_bytes"))
    }
    if message.hasTcpFastOpenQueueLength {
      listener.tcpFastOpenQueueLength = Int32(clamping: message.tcpFastOpenQueueLength.value)
    }
    if message.hasTransparent { listener.transparent = message.transparent.value }
    if message.hasFreebind { listener.freebind = message.freebind.value }
    if message.hasMaxConnectionsToAcceptPerSocketEvent {
      listener.maxConnectionsPerTurn = Int(message.maxConnectionsToAcceptPerSocketEvent.value)
    }
    listener.socketOptions = socketOptions(message.socketOptions, at: place.field("socket_options"))
  }

  /// A buffer limit in bytes. Zero means no limit to Envoy; a proxy without one can be made to
  /// hold any amount of memory, so here it is refused.
  func bufferLimit(_ value: UInt32, at place: Place) -> Int {
    if value == 0 {
      error("expected 1 or more; a connection without a limit can take all memory", at: place)
    }
    return Int(value)
  }

  private func listenerFilters(
    _ message: Envoy_Config_Listener_V3_Listener, at place: Place
  ) -> [ListenerFilter] {
    message.listenerFilters.enumerated().compactMap { index, filter in
      let filterPlace = place.element(index)
      return ListenerFilterExtension.convert(
        filter.typedConfig, among: ListenerFilterExtension.all, with: self,
        at: filterPlace.field("typed_config"))
    }
  }
}
