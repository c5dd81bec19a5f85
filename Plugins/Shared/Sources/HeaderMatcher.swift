// How a header is compared (`config.route.v3.HeaderMatcher`), compiled.
package import MartletSDK

package struct HeaderMatcher: ~Copyable, Sendable {
  private enum Kind: Sendable {
    case text
    case range(Range<Int64>)
    /// Whether there is to be one.
    case present(Bool)
  }

  private let name: HeaderName
  private let kind: Kind
  /// One for `.text`, none for the rest.
  private let text: FrozenList<TextMatcher>
  private let isInverted: Bool
  private let treatsMissingAsEmpty: Bool

  /// `path` names the message in the configuration.
  package init(
    _ matcher: Envoy_Config_Route_V3_HeaderMatcher, _ scope: inout ConfigurationScope,
    at path: String
  ) throws {
    let name = try scope.header(matcher.name, at: "\(path).name")
    let kind: Kind =
      switch matcher.headerMatchSpecifier {
      case .rangeMatch(let range): .range(range.start..<max(range.start, range.end))
      case .presentMatch(let wanted): .present(wanted)
      case nil: .present(true)
      default: .text
      }
    var comparesText = false
    if case .text = kind { comparesText = true }
    let text = try FrozenList(count: comparesText ? 1 : 0) { _ in
      try Self.text(matcher.headerMatchSpecifier, &scope, at: path)
    }
    self.name = name
    self.kind = kind
    self.text = text
    isInverted = matcher.invertMatch
    treatsMissingAsEmpty = matcher.treatMissingHeaderAsEmpty
  }

  private static func text(
    _ specifier: Envoy_Config_Route_V3_HeaderMatcher.OneOf_HeaderMatchSpecifier?,
    _ scope: inout ConfigurationScope, at path: String
  ) throws -> TextMatcher {
    switch specifier {
    case .exactMatch(let text): .exact(text)
    case .prefixMatch(let text): .prefix(text)
    case .suffixMatch(let text): .suffix(text)
    case .containsMatch(let text): .contains(text)
    case .safeRegexMatch(let expression):
      try TextMatcher(expression, &scope, at: "\(path).safe_regex_match")
    case .stringMatch(let matcher):
      try TextMatcher(matcher, &scope, at: "\(path).string_match")
    case .rangeMatch, .presentMatch, nil: preconditionFailure("no comparison of text")
    }
  }

  /// Of several fields of the name, any may match. One that is missing matches nothing, inverted or
  /// not, unless it is to be taken as empty.
  package borrowing func matches(_ headers: HeaderMap, _ stream: borrowing HTTPStream) -> Bool {
    if case .present(let wanted) = kind {
      return ((headers.contains(name) || treatsMissingAsEmpty) == wanted) != isInverted
    }
    var index = 0
    while let value = headers.value(name, at: index) {
      if matches(value, stream) { return !isInverted }
      index += 1
    }
    if index > 0 { return isInverted }
    return treatsMissingAsEmpty
      ? matches(BytesView.empty, stream) != isInverted : false
  }

  private borrowing func matches(_ value: BytesView, _ stream: borrowing HTTPStream) -> Bool {
    switch kind {
    case .text: return text.span[0].matches(value, stream)
    case .range(let range):
      guard let number = value.signedDecimal else { return false }
      return range.contains(number)
    case .present(let wanted): return wanted
    }
  }

  /// Matchers that must all hold.
  package static func list(
    _ matchers: [Envoy_Config_Route_V3_HeaderMatcher], _ scope: inout ConfigurationScope,
    at path: String
  ) throws -> FrozenList<HeaderMatcher> {
    try FrozenList(count: matchers.count) {
      try HeaderMatcher(matchers[$0], &scope, at: "\(path)[\($0)]")
    }
  }
}

extension FrozenList where Element == HeaderMatcher {
  /// Whether all of them hold.
  package borrowing func allMatch(_ headers: HeaderMap, _ stream: borrowing HTTPStream) -> Bool {
    for index in 0..<count where !span[index].matches(headers, stream) { return false }
    return true
  }
}

extension BytesView {
  /// A number with an optional sign, and nothing else.
  fileprivate var signedDecimal: Int64? {
    if count == 0 { return nil }
    let isNegative = self[0] == 0x2D
    let digits = isNegative || self[0] == 0x2B ? slice(1..<count) : slice(0..<count)
    guard let number = digits.decimal else { return nil }
    if isNegative {
      return number <= UInt64(Int64.max) + 1 ? Int64(truncatingIfNeeded: 0 &- number) : nil
    }
    return Int64(exactly: number)
  }
}
