// How text is compared (`type.matcher.v3.StringMatcher`), and regular expressions.

public struct StringMatcher: Hashable, Sendable {
  public var pattern: Pattern
  /// ASCII letters compare without case. Without a meaning for a regular expression, which says it
  /// itself with `(?i)`.
  public var ignoreCase: Bool

  public enum Pattern: Hashable, Sendable {
    case exact(String)
    case prefix(String)
    case suffix(String)
    case contains(String)
    /// RE2's syntax; matches the whole of a text or not at all. Compiles.
    case regex(String)
  }

  public init(_ pattern: Pattern, ignoreCase: Bool = false) {
    self.pattern = pattern
    self.ignoreCase = ignoreCase
  }
}

/// `type.matcher.v3.RegexMatchAndSubstitute`: replaces every match in a text.
public struct RegexSubstitution: Hashable, Sendable {
  /// RE2's syntax. Compiles.
  public var pattern: String
  /// `\0` is the match, `\1`...`\9` are groups that the pattern has, `\\` is a backslash.
  public var substitution: String
  public init(pattern: String, substitution: String) {
    self.pattern = pattern
    self.substitution = substitution
  }
}
