// How a route compares a path.
import Model

struct PathMatcher {
  private enum Kind { case prefix, exact, separated, regex, connect }
  private let kind: Kind
  /// In lower case where case is ignored; empty where an expression decides.
  private let text: [UInt8]
  private let ignoresCase: Bool
  /// Whose groups are a template's variables.
  let expression: RegularExpression?

  init(_ model: RouteMatch.Path, caseSensitive: Bool) {
    var text = ""
    var expression: RegularExpression?
    switch model {
    case .prefix(let it): (kind, text) = (.prefix, it)
    case .exact(let it): (kind, text) = (.exact, it)
    case .separatedPrefix(let it): (kind, text) = (.separated, it)
    case .regex(let it): (kind, expression) = (.regex, RegularExpression(it))
    case .template(let it): (kind, expression) = (.regex, RegularExpression(it.pattern))
    case .connect: kind = .connect
    }
    ignoresCase = !caseSensitive
    self.expression = expression
    self.text = caseSensitive ? Array(text.utf8) : text.utf8.map(asciiLowercase)
  }

  /// What stands in a radix tree for it; nil where only `matches` can tell.
  var entry: (text: [UInt8], kind: RadixTree.Kind, ignoresCase: Bool)? {
    switch kind {
    case .prefix: (text, .prefix, ignoresCase)
    case .exact: (text, .exact, ignoresCase)
    case .separated: (text, .separated, ignoresCase)
    case .regex, .connect: nil
    }
  }

  /// Bytes of a path that a prefix rewrite replaces.
  func matchedLength(_ path: ByteView) -> Int {
    switch kind {
    case .prefix, .exact, .separated: text.count
    case .regex, .connect: path.withoutQuery.count
    }
  }

  @inline(__always)
  func matches(_ lookup: RouteLookup) -> Bool {
    let path = lookup.path
    // CONNECT names an authority and no path.
    if (lookup.head.method == .connect) != (kind == .connect) { return false }
    switch kind {
    case .prefix: return path.count >= text.count && begins(path)
    case .exact: return path.count == text.count && begins(path)
    case .separated:
      return path.count >= text.count && begins(path)
        && (path.count == text.count || path[text.count] == UInt8(ascii: "/"))
    case .regex: return expression?.matches(path) == true
    case .connect: return true
    }
  }

  @inline(__always)
  private func begins(_ path: ByteView) -> Bool {
    if !ignoresCase { return path.hasPrefix(text) }
    for index in 0..<text.count where asciiLowercase(path[index]) != text[index] { return false }
    return true
  }
}
