// The PROXY protocol listener filter.

internal import Model

extension ConfigurationExtension where Output == ListenerFilter {
  static var proxyProtocol: Self {
    Self(Envoy_Extensions_Filters_Listener_ProxyProtocol_V3_ProxyProtocol.self) {
      message, conversion, place in
      var filter = ListenerFilter.ProxyProtocol()
      filter.allowRequestsWithoutProxyProtocol = message.allowRequestsWithoutProxyProtocol
      filter.statPrefix = message.statPrefix
      for version in message.disallowedVersions {
        if version == .v1 { filter.acceptV1 = false }
        if version == .v2 { filter.acceptV2 = false }
      }
      if !filter.acceptV1, !filter.acceptV2 {
        conversion.error(
          "one version at least must be allowed", at: place.field("disallowed_versions"))
      }
      filter.passThroughTLVs = conversion.passThrough(message, at: place.field("pass_through_tlvs"))
      filter.rules = message.rules.map { rule in
        // As Envoy: without a key it is the empty one.
        let pair = rule.onTlvPresent
        return ListenerFilter.ProxyProtocol.Rule(
          type: UInt8(clamping: rule.tlvType),
          namespace: pair.metadataNamespace.isEmpty
            ? "envoy.filters.listener.proxy_protocol" : pair.metadataNamespace,
          key: pair.key)
      }
      filter.storesInFilterState = message.tlvLocation == .filterState
      return .proxyProtocol(filter)
    }
  }
}

extension Conversion {
  fileprivate func passThrough(
    _ message: Envoy_Extensions_Filters_Listener_ProxyProtocol_V3_ProxyProtocol, at place: Place
  ) -> ListenerFilter.ProxyProtocol.PassThrough {
    guard message.hasPassThroughTlvs else { return .none }
    let tlvs = message.passThroughTlvs
    guard tlvs.matchType == .include else {
      if !tlvs.tlvType.isEmpty {
        error("has a meaning only with `match_type: INCLUDE`", at: place.field("tlv_type"))
      }
      return .all
    }
    return .types(Set(tlvs.tlvType.map { UInt8(clamping: $0) }))
  }
}
