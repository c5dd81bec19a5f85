// Matching of names on the control side: what the workers compile for themselves, for those who have
// text in Swift strings. RE2 guards itself with a lock, so that any thread may ask.
import CMartletRegex
public import Model

/// A `StringMatcher`, compiled.
public final class NameMatcher: @unchecked Sendable {
  private let matcher: TextMatcher

  public init(_ model: StringMatcher) { matcher = TextMatcher(model) }

  public func matches(_ name: String) -> Bool {
    var name = name
    return name.withUTF8 { bytes in
      var empty: UInt8 = 0
      guard let base = bytes.baseAddress else {
        return withUnsafePointer(to: &empty) { matcher.matches(ByteView($0, 0)) }
      }
      return matcher.matches(ByteView(base, bytes.count))
    }
  }
}

/// A regular expression that is looked for anywhere in a name.
public final class NameExpression: @unchecked Sendable {
  private let expression: RegularExpression?

  /// RE2's syntax; the pattern has been checked.
  public init(_ pattern: String) { expression = RegularExpression("(?s:.*?)(?:\(pattern))(?s:.*)") }

  /// The first two groups of the first match; a group that took no part is nil.
  public func groups(in name: String) -> (first: String?, second: String?)? {
    guard let expression else { return nil }
    var name = name
    return name.withUTF8 { bytes in
      guard let base = bytes.baseAddress else { return nil }
      let none = RegularExpression.Span(start: -1, end: -1)
      return withUnsafeTemporaryAllocation(of: RegularExpression.Span.self, capacity: 3) { spans in
        spans.initialize(repeating: none)
        guard expression.capture(ByteView(base, bytes.count), spans) else { return nil }
        func text(_ span: RegularExpression.Span) -> String? {
          guard span.start >= 0, span.end >= span.start else { return nil }
          return String(decoding: bytes[span.start..<span.end], as: UTF8.self)
        }
        return (text(spans[1]), text(spans[2]))
      }
    }
  }
}
