// Matchers of text and regular expressions.

internal import CMartletRegex
internal import Model

extension Conversion {
  func stringMatcher(
    _ message: Envoy_Type_Matcher_V3_StringMatcher, at place: Place
  ) -> StringMatcher? {
    let pattern: StringMatcher.Pattern
    switch message.matchPattern {
    case .exact(let text)?: pattern = .exact(text)
    case .prefix(let text)?: pattern = .prefix(text)
    case .suffix(let text)?: pattern = .suffix(text)
    case .contains(let text)?: pattern = .contains(text)
    case .safeRegex(let regex)?:
      if message.ignoreCase {
        error(
          "has no effect on a regular expression, which says it itself: `(?i)`",
          at: place.field("ignore_case"))
      }
      guard let text = regularExpression(regex, at: place.field("safe_regex")) else { return nil }
      pattern = .regex(text)
    case nil: return nil  // required by the proto file
    }
    return StringMatcher(pattern, ignoreCase: message.ignoreCase)
  }

  /// The expression, which compiles; nil with a finding where it does not.
  func regularExpression(
    _ message: Envoy_Type_Matcher_V3_RegexMatcher, at place: Place
  ) -> String? {
    withCompiled(message, at: place) { _ in message.regex }
  }

  func regexSubstitution(
    _ message: Envoy_Type_Matcher_V3_RegexMatchAndSubstitute, at place: Place
  ) -> RegexSubstitution? {
    withCompiled(message.pattern, at: place.field("pattern")) { regex in
      var substitution = message.substitution
      var reason = [CChar](repeating: 0, count: 256)
      let isGood = substitution.withUTF8 {
        martlet_regex_check_substitution(regex, $0.baseAddress, $0.count, &reason, reason.count)
      }
      guard isGood else {
        error(Self.text(reason), at: place.field("substitution"))
        return nil
      }
      return RegexSubstitution(pattern: message.pattern.regex, substitution: message.substitution)
    }
  }

  private func withCompiled<Result>(
    _ message: Envoy_Type_Matcher_V3_RegexMatcher, at place: Place,
    _ body: (OpaquePointer) -> Result?
  ) -> Result? {
    var pattern = message.regex
    var reason = [CChar](repeating: 0, count: 256)
    let made = pattern.withUTF8 {
      martlet_regex_make($0.baseAddress, $0.count, &reason, reason.count)
    }
    guard let made else {
      error("not a regular expression of RE2: \(Self.text(reason))", at: place.field("regex"))
      return nil
    }
    defer { martlet_regex_free(made) }
    if message.googleRe2.hasMaxProgramSize {
      let size = martlet_regex_program_size(made)
      let most = message.googleRe2.maxProgramSize.value
      if size > most {
        error(
          "its program has \(size) instructions, more than `max_program_size`, \(most)",
          at: place.field("regex"))
      }
    }
    return body(made)
  }

  private static func text(_ reason: [CChar]) -> String {
    String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
