// RE2 through its C face.
import Testing

@testable import DataPlane

@Suite struct RegularExpressionTests {
  private func matches(_ pattern: String, _ text: String) throws -> Bool {
    let expression = try #require(RegularExpression(pattern))
    return withView(text) { expression.matches($0) }
  }

  private func replaced(_ pattern: String, _ text: String, _ substitution: String) throws -> String {
    let expression = try #require(RegularExpression(pattern))
    let result = ByteBuilder()
    withView(text) { expression.replaceAll(in: $0, by: bytes(substitution), into: result) }
    return result.view.string
  }

  @Test func wholeTexts() throws {
    #expect(try matches("a+b", "aab"))
    #expect(try !matches("a+b", "aabc"))
    #expect(try !matches("a+b", "caab"))
    #expect(try matches("a|ab", "ab"))
    #expect(try matches("(?i)ab", "aB"))
    #expect(try matches("", ""))
    #expect(try !matches("", "a"))
    #expect(try !matches(".", "\n"))
    #expect(try matches(".", "é"))
  }

  @Test func patternsThatAreNone() {
    for pattern in ["(", "[", "a**", "\\", "(?<x>", "\\1"] { #expect(RegularExpression(pattern) == nil) }
  }

  @Test(arguments: [
    ("a", "banana", "o", "bonono"), ("(a)(n)", "banana", "\\2\\1", "bnanaa"), ("x*", "abc", "-", "-a-b-c-"),
    ("b*", "abbc", "-", "-a-c-"), ("^/", "/a/b", "", "a/b"), (".*", "abc", "", ""), ("z", "abc", "y", "abc"),
    ("a", "", "b", ""), ("x*", "", "-", "-"), ("(b)?", "ab", "[\\1]", "[]a[b]"), ("a", "a", "\\\\", "\\"),
    ("a", "xay", "<\\0\\0>", "x<aa>y"), ("x*", "é", "-", "-é-"), ("b|$", "abc", "!", "a!c!"),
  ]) func replacing(_ pattern: String, _ text: String, _ substitution: String, _ expected: String) throws {
    #expect(try replaced(pattern, text, substitution) == expected)
  }

  @Test func groups() throws {
    let expression = try #require(RegularExpression("/(a+)/(b)?(.*)"))
    withView("/aa/c") { text in
      withUnsafeTemporaryAllocation(of: RegularExpression.Span.self, capacity: 4) { spans in
        #expect(expression.capture(text, spans))
        #expect(spans.map { [$0.start, $0.end] } == [[0, 5], [1, 3], [-1, -1], [4, 5]])
      }
    }
    withView("/b") { text in
      withUnsafeTemporaryAllocation(of: RegularExpression.Span.self, capacity: 1) { spans in
        #expect(!expression.capture(text, spans))
      }
    }
  }
}
