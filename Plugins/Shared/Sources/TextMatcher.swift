// How a text is compared (`type.matcher.v3.StringMatcher`), compiled.
package import MartletSDK

package struct TextMatcher: ~Copyable, Sendable {
  private enum Kind {
    case exact, prefix, suffix, contains
    case expression(RegularExpression)
  }

  private let kind: Kind
  private let text: FrozenBytes
  private let ignoresCase: Bool

  private init(_ kind: Kind, _ text: String, ignoresCase: Bool) {
    self.kind = kind
    self.text = FrozenBytes(ignoresCase ? text.lowercased() : text)
    self.ignoresCase = ignoresCase
  }

  /// `path` names the message in the configuration.
  package init(
    _ matcher: Envoy_Type_Matcher_V3_StringMatcher, _ scope: inout ConfigurationScope, at path: String
  ) throws {
    let ignoresCase = matcher.ignoreCase
    switch matcher.matchPattern {
    case .exact(let text): self.init(.exact, text, ignoresCase: ignoresCase)
    case .prefix(let text): self.init(.prefix, text, ignoresCase: ignoresCase)
    case .suffix(let text): self.init(.suffix, text, ignoresCase: ignoresCase)
    case .contains(let text): self.init(.contains, text, ignoresCase: ignoresCase)
    case .safeRegex(let expression):
      try self.init(expression, &scope, at: "\(path).safe_regex")
    case nil:
      throw ConfigurationError("expected a comparison", at: path)
    }
  }

  /// The whole text matches the expression.
  package init(
    _ expression: Envoy_Type_Matcher_V3_RegexMatcher, _ scope: inout ConfigurationScope,
    at path: String
  ) throws {
    let expression = try scope.regularExpression(expression.regex, at: "\(path).regex")
    self.init(.expression(expression), "", ignoresCase: false)
  }

  package static func exact(_ text: String) -> TextMatcher {
    TextMatcher(.exact, text, ignoresCase: false)
  }
  package static func prefix(_ text: String) -> TextMatcher {
    TextMatcher(.prefix, text, ignoresCase: false)
  }
  package static func suffix(_ text: String) -> TextMatcher {
    TextMatcher(.suffix, text, ignoresCase: false)
  }
  package static func contains(_ text: String) -> TextMatcher {
    TextMatcher(.contains, text, ignoresCase: false)
  }

  package borrowing func matches(
    _ value: BytesView, _ stream: borrowing HTTPStream
  ) -> Bool {
    switch kind {
    case .exact: return value.count == text.count && holds(value, from: 0)
    case .prefix: return value.count >= text.count && holds(value, from: 0)
    case .suffix: return value.count >= text.count && holds(value, from: value.count - text.count)
    case .contains:
      var start = 0
      while start + text.count <= value.count {
        if holds(value, from: start) { return true }
        start += 1
      }
      return false
    case .expression(let expression): return stream.matches(expression, value)
    }
  }

  /// Whether the text stands in the value at this place, which is inside of it.
  private borrowing func holds(_ value: BytesView, from start: Int) -> Bool {
    let text = text.view
    for index in 0..<text.count {
      let byte = value[start + index]
      let folded = ignoresCase && byte &- 0x41 < 26 ? byte | 0x20 : byte
      if folded != text[index] { return false }
    }
    return true
  }
}
