// Which requests a route takes: path and headers.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func routeMatch(_ message: Envoy_Config_Route_V3_RouteMatch, at place: Place) -> RouteMatch? {
    var match: RouteMatch
    switch message.pathSpecifier {
    case .prefix(let prefix)?: match = RouteMatch(path: .prefix(prefix))
    case .path(let path)?: match = RouteMatch(path: .exact(path))
    case nil: return nil  // required by the proto file
    }
    if message.hasCaseSensitive { match.caseSensitive = message.caseSensitive.value }
    match.headers = message.headers.enumerated().compactMap { index, header in
      headerMatcher(header, at: place.field("headers").element(index))
    }
    return match
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
    case .rangeMatch(let range)?:
      if range.start >= range.end {
        warning(
          "the range from \(range.start) to \(range.end) is empty and never matches",
          at: place.field("range_match"))
      }
      kind = .range(lower: range.start, upper: range.end)
    case .stringMatch(let string)?:
      guard let converted = self.kind(of: string) else { return nil }
      kind = converted
    }
    var matcher = HeaderMatcher(name: message.name.lowercased(), kind: kind)
    matcher.invert = message.invertMatch
    matcher.treatMissingAsEmpty = message.treatMissingHeaderAsEmpty
    return matcher
  }

  private func kind(of string: Envoy_Type_Matcher_V3_StringMatcher) -> HeaderMatcher.Kind? {
    switch string.matchPattern {
    case .exact(let text)?: .exact(text, ignoreCase: string.ignoreCase)
    case .prefix(let text)?: .prefix(text, ignoreCase: string.ignoreCase)
    case .suffix(let text)?: .suffix(text, ignoreCase: string.ignoreCase)
    case .contains(let text)?: .contains(text, ignoreCase: string.ignoreCase)
    case nil: nil  // required by the proto file
    }
  }
}
