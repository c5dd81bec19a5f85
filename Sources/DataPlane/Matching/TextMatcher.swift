// A `StringMatcher`, compiled.
import Model

final class TextMatcher {
  private enum Kind { case exact, prefix, suffix, contains, regex }
  private let kind: Kind
  /// In lower case where case is ignored.
  private let pattern: [UInt8]
  private let ignoreCase: Bool
  private let expression: RegularExpression?

  init(_ model: StringMatcher) {
    let text: String
    switch model.pattern {
    case .exact(let it): (kind, text) = (.exact, it)
    case .prefix(let it): (kind, text) = (.prefix, it)
    case .suffix(let it): (kind, text) = (.suffix, it)
    case .contains(let it): (kind, text) = (.contains, it)
    case .regex(let it): (kind, text) = (.regex, it)
    }
    ignoreCase = model.ignoreCase
    pattern = model.ignoreCase ? text.utf8.map(asciiLowercase) : Array(text.utf8)
    expression = kind == .regex ? RegularExpression(text) : nil
  }

  func matches(_ value: ByteView) -> Bool {
    switch kind {
    case .exact: return value.count == pattern.count && equal(value)
    case .prefix: return value.count >= pattern.count && equal(value.prefix(pattern.count))
    case .suffix:
      return value.count >= pattern.count && equal(value.dropFirst(value.count - pattern.count))
    case .contains:
      guard value.count >= pattern.count else { return false }
      for start in 0...(value.count - pattern.count)
      where equal(ByteView(value.base + start, pattern.count)) { return true }
      return false
    case .regex: return expression?.matches(value) == true
    }
  }

  /// `value` is as long as the pattern.
  private func equal(_ value: ByteView) -> Bool {
    if !ignoreCase { return value == pattern }
    for index in 0..<pattern.count where asciiLowercase(value[index]) != pattern[index] { return false }
    return true
  }
}
