// The filter's expressions: what they mean and what is refused.
import Testing

@testable import Admin

@Suite struct NamePatternTests {
  @Test(arguments: [
    ("rq", "cluster.a.upstream_rq_total", true), ("^server", "cluster.server", false),
    ("a\\.b$", "x.a.b", true), ("a\\.b$", "x.acb", false), ("(a|b)\\.c", "b.c", true),
    ("rq_\\dxx", "rq_5xx", true), ("rq_\\d", "rq_x", false), ("[^a-z]", "abc", false),
    ("[]x]", "]", true), ("a.*?b", "a--b", true), ("\\w+", "a", true),
    ("a{2}$", "xaa", true), ("(?i)A", "a", true), ("a|b", "xb", true),
  ])
  func matches(_ expression: String, _ name: String, _ expected: Bool) throws {
    #expect(try NamePattern(expression).matches(name) == expected)
  }

  @Test(arguments: [
    "(", "[", "(a)\\1", "(?=a)", "\\", "a**", String(repeating: "a", count: 513),
  ])
  func refused(_ expression: String) {
    #expect(throws: NamePattern.Problem.self) { try NamePattern(expression) }
  }

  @Test func whole() throws {
    #expect(try NamePattern("a|bc", isWhole: true).matches("bc"))
    #expect(try !NamePattern("a|b", isWhole: true).matches("bc"))
  }

  /// What sends a backtracking engine into exponential time.
  @Test(.timeLimit(.minutes(1))) func doesNotBacktrack() throws {
    let name = String(repeating: "a", count: 200)
    #expect(try !NamePattern("(a|a)*(a*)*(.*)*b").matches(name))
  }
}
