// Which requests a route takes: path, headers, query and more.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func routeMatch(_ message: Envoy_Config_Route_V3_RouteMatch, at place: Place) -> RouteMatch? {
    let path = path(message, at: place)
    // The proto file requires a path; where it was refused the rest is looked at all the same.
    var match = RouteMatch(path: path ?? .prefix(""))
    if message.hasCaseSensitive { match.caseSensitive = message.caseSensitive.value }
    if message.hasRuntimeFraction {
      match.runtimeFraction = runtimeFraction(message.runtimeFraction)
    }
    match.headers = message.headers.enumerated().compactMap { index, header in
      headerMatcher(header, at: place.field("headers").element(index))
    }
    match.queryParameters = message.queryParameters.enumerated().compactMap { index, parameter in
      queryParameterMatcher(parameter, at: place.field("query_parameters").element(index))
    }
    match.metadata = message.dynamicMetadata.enumerated().compactMap { index, matcher in
      metadataMatcher(matcher, at: place.field("dynamic_metadata").element(index))
    }
    match.filterState = message.filterState.enumerated().compactMap { index, matcher in
      filterStateMatcher(matcher, at: place.field("filter_state").element(index))
    }
    match.isGRPC = message.hasGrpc
    if message.hasTlsContext {
      let tls = message.tlsContext
      match.tls = RouteMatch.TLSMatch(
        presented: tls.hasPresented ? tls.presented.value : nil,
        validated: tls.hasValidated ? tls.validated.value : nil)
    }
    return path == nil ? nil : match
  }

  private func path(
    _ message: Envoy_Config_Route_V3_RouteMatch, at place: Place
  ) -> RouteMatch.Path? {
    switch message.pathSpecifier {
    case .prefix(let prefix)?: return .prefix(prefix)
    case .path(let path)?: return .exact(path)
    case .safeRegex(let regex)?:
      return regularExpression(regex, at: place.field("safe_regex")).map { .regex($0) }
    case .connectMatcher?: return .connect
    case .pathSeparatedPrefix(let prefix)?:
      if prefix.utf8.count < 2 || prefix.utf8.contains(where: { $0 == 0x3f || $0 == 0x23 })
        || prefix.hasSuffix("/")
      {
        error(
          "expected 2 or more characters without `?` and `#`, the last of them no `/`; found \"\(prefix)\"",
          at: place.field("path_separated_prefix"))
      }
      return .separatedPrefix(prefix)
    case .pathMatchPolicy(let policy)?:
      return PathMatchExtension.convert(
        policy.typedConfig, among: PathMatchExtension.all, with: self,
        at: place.field("path_match_policy").field("typed_config")
      ).map { .template($0) }
    case nil: return nil  // required by the proto file
    }
  }

  func headerMatcher(
    _ message: Envoy_Config_Route_V3_HeaderMatcher, at place: Place
  ) -> HeaderMatcher? {
    let kind: HeaderMatcher.Kind
    switch message.headerMatchSpecifier {
    case nil: kind = .present(true)
    case .presentMatch(let present)?: kind = .present(present)
    case .exactMatch(let text)?: kind = .exact(text, ignoreCase: false)
    case .prefixMatch(let text)?: kind = .prefix(text, ignoreCase: false)
    case .suffixMatch(let text)?: kind = .suffix(text, ignoreCase: false)
    case .containsMatch(let text)?: kind = .contains(text, ignoreCase: false)
    case .safeRegexMatch(let regex)?:
      guard let text = regularExpression(regex, at: place.field("safe_regex_match")) else {
        return nil
      }
      kind = .string(StringMatcher(.regex(text)))
    case .rangeMatch(let range)?:
      if range.start >= range.end {
        warning(
          "the range from \(range.start) to \(range.end) is empty and never matches",
          at: place.field("range_match"))
      }
      kind = .range(lower: range.start, upper: range.end)
    case .stringMatch(let string)?:
      guard let matcher = stringMatcher(string, at: place.field("string_match")) else { return nil }
      kind = .string(matcher)
    }
    var matcher = HeaderMatcher(name: message.name.lowercased(), kind: kind)
    matcher.invert = message.invertMatch
    matcher.treatMissingAsEmpty = message.treatMissingHeaderAsEmpty
    return matcher
  }

  func queryParameterMatcher(
    _ message: Envoy_Config_Route_V3_QueryParameterMatcher, at place: Place
  ) -> QueryParameterMatcher? {
    let kind: QueryParameterMatcher.Kind
    switch message.queryParameterMatchSpecifier {
    case nil: kind = .present(true)
    case .presentMatch(let present)?: kind = .present(present)
    case .stringMatch(let string)?:
      guard let matcher = stringMatcher(string, at: place.field("string_match")) else { return nil }
      kind = .string(matcher)
    }
    return QueryParameterMatcher(name: message.name, kind: kind)
  }

  func runtimeFraction(_ message: Envoy_Config_Core_V3_RuntimeFractionalPercent) -> RuntimeFraction {
    runtime.use(message.runtimeKey)
    return RuntimeFraction(defaultValue: share(message.defaultValue), key: message.runtimeKey)
  }

  func share(_ message: Envoy_Type_V3_FractionalPercent) -> RuntimeShare {
    let denominator: UInt32 =
      switch message.denominator {
      case .tenThousand: 10_000
      case .million: 1_000_000
      default: 100
      }
    return RuntimeShare(numerator: message.numerator, denominator: denominator)
  }
}
