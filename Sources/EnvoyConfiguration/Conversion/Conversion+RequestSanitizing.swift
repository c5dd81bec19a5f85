// What the HTTP connection manager does to a request before its filters: client address and trust,
// request id and forwarding headers, the form of path and host.

internal import Model

private typealias Message =
  Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

extension Conversion {
  func readSanitizing(
    _ message: Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager,
    into manager: inout HTTPConnectionManager, at place: Place
  ) {
    manager.clientTrust = clientTrust(message, at: place)
    manager.requestHeaders = requestHeaders(message, at: place)
    manager.target = targetNormalization(message, at: place)
    manager.proxiesContinue = message.proxy100Continue
    manager.waitsForLastRequest = message.http1SafeMaxConnectionDuration
    let common = message.commonHTTPProtocolOptions
    manager.maxStreamDuration = timeout(common.maxStreamDuration, isSet: common.hasMaxStreamDuration)
    manager.upgrades = upgrades(
      message.upgradeConfigs.map { ($0.upgradeType, $0.hasEnabled ? $0.enabled.value : true) },
      at: place.field("upgrade_configs"))
    manager.underscores =
      switch message.commonHTTPProtocolOptions.headersWithUnderscoresAction {
      case .rejectRequest: .reject
      case .dropHeader: .drop
      default: .allow
      }
  }

  /// Of a connection manager or a route. Names are compared without regard to case.
  func upgrades(_ list: [(type: String, isEnabled: Bool)], at place: Place) -> [String: Bool] {
    var result: [String: Bool] = [:]
    for (index, upgrade) in list.enumerated() {
      let type = upgrade.type.lowercased()
      let typePlace = place.element(index).field("upgrade_type")
      if type == "connect-udp" { error("CONNECT-UDP is not in this version", at: typePlace) }
      if result.updateValue(upgrade.isEnabled, forKey: type) != nil {
        error("the upgrade \"\(upgrade.type)\" stands there already", at: typePlace)
      }
    }
    return result
  }

  func streamDuration(_ message: Envoy_Config_Route_V3_RouteAction) -> RouteAction.StreamDuration? {
    guard message.hasMaxStreamDuration else { return nil }
    let durations = message.maxStreamDuration
    var result = RouteAction.StreamDuration()
    if durations.hasMaxStreamDuration { result.limit = Duration(durations.maxStreamDuration) }
    if durations.hasGrpcTimeoutHeaderMax { result.grpcMaximum = Duration(durations.grpcTimeoutHeaderMax) }
    if durations.hasGrpcTimeoutHeaderOffset {
      result.grpcOffset = Duration(durations.grpcTimeoutHeaderOffset)
    }
    return result
  }

  private func clientTrust(_ message: Message, at place: Place) -> ClientTrust {
    var trust = ClientTrust()
    trust.usesRemoteAddress = message.useRemoteAddress.value
    trust.trustedHops = message.xffNumTrustedHops
    trust.skipsAppend = message.skipXffAppend
    trust.appendsPort = message.appendXForwardedPort
    trust.mapsIPv4 = message.representIpv4RemoteAddressAsIpv4MappedIpv6
    let ranges = place.field("internal_address_config").field("cidr_ranges")
    trust.internalRanges = prefixes(message.internalAddressConfig.cidrRanges, at: ranges)
    trust.internalUnixSockets = message.internalAddressConfig.unixSockets
    let list = place.field("original_ip_detection_extensions")
    trust.detection = message.originalIpDetectionExtensions.enumerated().compactMap { index, item in
      ConfigurationExtension<OriginalAddress>.convert(
        item.typedConfig, among: ConfigurationExtension<OriginalAddress>.all, with: self,
        at: list.element(index).field("typed_config"))
    }
    if !message.originalIpDetectionExtensions.isEmpty {
      if trust.usesRemoteAddress {
        error("it excludes `original_ip_detection_extensions`", at: place.field("use_remote_address"))
      }
      if trust.trustedHops > 0 {
        error(
          "it excludes `original_ip_detection_extensions`; the extension has a field of this name",
          at: place.field("xff_num_trusted_hops"))
      }
    }
    return trust
  }

  private func requestHeaders(_ message: Message, at place: Place) -> RequestHeaderOptions {
    var options = RequestHeaderOptions()
    if message.hasGenerateRequestID { options.generatesRequestID = message.generateRequestID.value }
    options.preservesExternalRequestID = message.preserveExternalRequestID
    options.returnsRequestID = message.alwaysSetRequestIDInResponse
    if message.hasRequestIDExtension {
      let kind = ConfigurationExtension<RequestIDKind>.convert(
        message.requestIDExtension.typedConfig, among: ConfigurationExtension<RequestIDKind>.all,
        with: self, at: place.field("request_id_extension").field("typed_config"))
      options.packsTraceReason = kind?.packsTraceReason ?? true
    }
    options.via = message.via
    options.addsUserAgent = message.addUserAgent.value
    if case .schemeToOverwrite(let scheme)? = message.schemeHeaderTransformation.transformation {
      options.scheme = scheme
    }
    return options
  }

  private func targetNormalization(_ message: Message, at place: Place) -> TargetNormalization {
    var target = TargetNormalization()
    target.normalizesPath = message.normalizePath.value
    target.mergesSlashes = message.mergeSlashes
    target.escapedSlashes =
      switch message.pathWithEscapedSlashesAction {
      case .rejectRequest: .reject
      case .unescapeAndRedirect: .redirect
      case .unescapeAndForward: .forward
      default: .keep
      }
    target.stripsHostDot = message.stripTrailingHostDot
    target.stripsPort =
      message.stripAnyHostPort ? .any : message.stripMatchingHostPort ? .matching : .none
    if message.stripAnyHostPort, message.stripMatchingHostPort {
      error("it excludes `strip_any_host_port`", at: place.field("strip_matching_host_port"))
    }
    return target
  }
}
