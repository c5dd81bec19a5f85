// Ways to find the client's address in a request: the category `envoy.http.original_ip_detection`.

internal import Model

extension ConfigurationExtension where Output == OriginalAddress {
  /// The category `envoy.http.original_ip_detection`.
  static var all: [Self] { [.forwardedFor, .customHeader] }

  static var forwardedFor: Self {
    Self(Envoy_Extensions_Http_OriginalIpDetection_Xff_V3_XffConfig.self) { message, conversion, place in
      var way = OriginalAddress.ForwardedFor()
      way.trustedHops = message.xffNumTrustedHops
      way.usesRanges = message.hasXffTrustedCidrs
      way.trustedRanges = conversion.prefixes(
        message.xffTrustedCidrs.cidrs, at: place.field("xff_trusted_cidrs").field("cidrs"))
      if message.hasSkipXffAppend { way.skipsAppend = message.skipXffAppend.value }
      if way.usesRanges, way.trustedHops > 0 {
        conversion.error(
          "`xff_trusted_cidrs` and `xff_num_trusted_hops` exclude each other",
          at: place.field("xff_trusted_cidrs"))
      }
      return .forwardedFor(way)
    }
  }

  static var customHeader: Self {
    Self(Envoy_Extensions_Http_OriginalIpDetection_CustomHeader_V3_CustomHeaderConfig.self) {
      message, _, _ in
      var header = OriginalAddress.Header(name: message.headerName.lowercased())
      header.isTrusted = message.allowExtensionToSetAddressAsTrusted
      if message.hasRejectWithStatus {
        let status = message.rejectWithStatus.code.rawValue
        // As Envoy: who is refused is not told that all is well.
        header.rejection = status >= 400 ? status : 403
      }
      return .header(header)
    }
  }
}

/// `UuidRequestIdConfig`
struct RequestIDKind {
  var packsTraceReason = true
}

extension ConfigurationExtension where Output == RequestIDKind {
  /// The category `envoy.request_id`.
  static var all: [Self] { [.uuid] }

  static var uuid: Self {
    Self(Envoy_Extensions_RequestId_Uuid_V3_UuidRequestIdConfig.self) { message, _, _ in
      RequestIDKind(packsTraceReason: message.hasPackTraceReason ? message.packTraceReason.value : true)
    }
  }
}
