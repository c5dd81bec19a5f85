// Rules that make the descriptors of rate limits, of routes and virtual hosts and of filters.

internal import Model
internal import SwiftProtobuf

private typealias Action = Envoy_Config_Route_V3_RateLimit.Action

extension Conversion {
  func rateLimits(
    _ messages: [Envoy_Config_Route_V3_RateLimit], at place: Place
  ) -> [RateLimit] {
    messages.enumerated().compactMap { index, message in
      let own = place.element(index)
      if message.hasHitsAddend {
        warning(
          "has no effect here, in Envoy neither: in a filter's own `rate_limits` it has",
          at: own.field("hits_addend"))
      }
      if message.applyOnStreamDone {
        warning(
          "has no effect here, in Envoy neither: in a filter's own `rate_limits` it has",
          at: own.field("apply_on_stream_done"))
      }
      return rateLimit(message, at: own)
    }
  }

  /// A filter's own rule.
  func filterRateLimit(_ message: Envoy_Config_Route_V3_RateLimit, at place: Place) -> RateLimit? {
    if message.hasStage {
      error("a filter's own rules have no stages, they are its own anyway", at: place.field("stage"))
    }
    if !message.disableKey.isEmpty {
      error("a filter's own rules cannot be turned off one by one", at: place.field("disable_key"))
    }
    return rateLimit(message, at: place)
  }

  private func rateLimit(_ message: Envoy_Config_Route_V3_RateLimit, at place: Place) -> RateLimit? {
    let actions = message.actions.enumerated().map { index, action in
      self.action(action, at: place.field("actions").element(index))
    }
    var rule = RateLimit(actions.compactMap { $0 })
    rule.stage = Int(message.stage.value)
    rule.disableKey = message.disableKey
    if !message.disableKey.isEmpty { runtime.use("ratelimit.\(message.disableKey).http_filter_enabled") }
    rule.limit = limit(message.limit)
    rule.appliesAtEnd = message.applyOnStreamDone
    rule.headers =
      switch message.xRatelimitOption {
      case .off: .off
      case .draftVersion03: .draft03
      default: .unspecified
      }
    if message.hasHitsAddend {
      rule.hits = hits(message.hitsAddend, at: place.field("hits_addend"))
      if rule.hits == nil { return nil }
    }
    return actions.contains { $0 == nil } ? nil : rule
  }

  private func hits(
    _ message: Envoy_Config_Route_V3_RateLimit.HitsAddend, at place: Place
  ) -> RateLimit.Hits? {
    var hits: RateLimit.Hits
    switch (message.hasNumber, message.format.isEmpty) {
    case (true, true): hits = RateLimit.Hits(.number(message.number.value))
    case (false, false):
      guard let format = textFormat(message.format, at: place.field("format")) else { return nil }
      guard case .text(let elements) = format.shape, elements.count == 1, case .value = elements[0] else {
        error("expected one operator and nothing else, as in %BYTES_SENT%", at: place.field("format"))
        return nil
      }
      hits = RateLimit.Hits(.format(format))
    default:
      error("expected one of `number` and `format`", at: place)
      return nil
    }
    hits.isNegative = message.isNegativeHits
    return hits
  }

  private func limit(_ message: Envoy_Config_Route_V3_RateLimit.Override) -> RateLimit.Limit? {
    switch message.overrideSpecifier {
    case .dynamicMetadata(let metadata)?: return .metadata(path(metadata.metadataKey))
    case .rateLimit(let limit)?:
      return .fixed(
        requests: limit.requestsPerUnit,
        unit: RateLimit.Unit(rawValue: UInt8(clamping: limit.unit.rawValue)) ?? .unknown)
    case nil: return nil
    }
  }

  private func path(_ key: Envoy_Type_Metadata_V3_MetadataKey) -> [String] {
    [key.key] + key.path.map(\.key)
  }

  // MARK: Actions

  private func action(_ message: Action, at place: Place) -> RateLimit.Action? {
    switch message.actionSpecifier {
    case .sourceCluster?: return .sourceCluster
    case .destinationCluster?: return .destinationCluster
    case .requestHeaders(let action)?:
      return .header(
        name: action.headerName.lowercased(), key: action.descriptorKey, isOptional: action.skipIfAbsent)
    case .queryParameters(let action)?:
      return .queryParameter(
        name: action.queryParameterName, key: action.descriptorKey, isOptional: action.skipIfAbsent)
    case .remoteAddress?: return .remoteAddress
    case .maskedRemoteAddress(let action)?:
      return .maskedRemoteAddress(
        v4: action.hasV4PrefixMaskLen ? Int(action.v4PrefixMaskLen.value) : 32,
        v6: action.hasV6PrefixMaskLen ? Int(action.v6PrefixMaskLen.value) : 128)
    case .genericKey(let action)?:
      return .fixed(key: key(action.descriptorKey, "generic_key"), value: action.descriptorValue)
    case .headerValueMatch(let action)?: return headerMatch(action, at: place.field("header_value_match"))
    case .queryParameterValueMatch(let action)?:
      return queryMatch(action, at: place.field("query_parameter_value_match"))
    case .remoteAddressMatch(let action)?:
      return addressMatch(action, at: place.field("remote_address_match"))
    case .dynamicMetadata(let action)?:
      return .metadata(
        key: action.descriptorKey, source: .dynamic, path: path(action.metadataKey),
        otherwise: action.defaultValue, isOptional: false)
    case .metadata(let action)?: return metadata(action)
    case nil: return nil  // required by the proto file
    }
  }

  private func key(_ given: String, _ usual: String) -> String { given.isEmpty ? usual : given }

  private func metadata(_ action: Action.MetaData) -> RateLimit.Action {
    let source: RateLimit.MetadataSource =
      switch action.source {
      case .routeEntry: .route
      case .clusterEntry: .cluster
      default: .dynamic
      }
    return .metadata(
      key: action.descriptorKey, source: source, path: path(action.metadataKey),
      otherwise: action.defaultValue, isOptional: action.skipIfAbsent)
  }

  private func headerMatch(_ action: Action.HeaderValueMatch, at place: Place) -> RateLimit.Action? {
    let matchers = action.headers.enumerated().map { index, header in
      headerMatcher(header, at: place.field("headers").element(index))
    }
    guard !matchers.contains(where: { $0 == nil }) else { return nil }
    return .headerMatch(
      key: key(action.descriptorKey, "header_match"), value: action.descriptorValue,
      expected: action.hasExpectMatch ? action.expectMatch.value : true, headers: matchers.compactMap { $0 })
  }

  private func queryMatch(
    _ action: Action.QueryParameterValueMatch, at place: Place
  ) -> RateLimit.Action? {
    let matchers = action.queryParameters.enumerated().map { index, parameter in
      queryParameterMatcher(parameter, at: place.field("query_parameters").element(index))
    }
    guard !matchers.contains(where: { $0 == nil }) else { return nil }
    return .queryParameterMatch(
      key: key(action.descriptorKey, "query_match"), value: action.descriptorValue,
      expected: action.hasExpectMatch ? action.expectMatch.value : true,
      parameters: matchers.compactMap { $0 })
  }

  private func addressMatch(_ action: Action.RemoteAddressMatch, at place: Place) -> RateLimit.Action? {
    let given = action.addressMatcher.ranges
    let ranges = place.field("address_matcher").field("ranges")
    let prefixes = given.enumerated().compactMap { index, range in
      prefix(range.addressPrefix, length: range.prefixLen.value, at: ranges.element(index))
    }
    guard prefixes.count == given.count else { return nil }
    return .remoteAddressMatch(
      key: key(action.descriptorKey, "remote_address_match"), value: action.descriptorValue,
      ranges: prefixes, invert: action.addressMatcher.invertMatch)
  }
}
