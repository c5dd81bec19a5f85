// The new path of a request, or of a redirect: what the route's rewrite makes of the old one.
import Model

final class PathRewriter {
  private enum Kind { case prefix, regex, template, format }
  private let kind: Kind
  /// The prefix, or the substitution.
  private let text: [UInt8]
  private let expression: RegularExpression?
  private let pieces: [(literal: [UInt8], group: Int)]
  /// What makes the path where no text does. Nil: `rewrite` does.
  let format: FormatProgram?

  /// `names`: nil where there can be no format, as in redirects.
  init(_ model: PathRewrite, names: HeaderNameTable? = nil) {
    var format: FormatProgram?
    switch model {
    case .prefix(let prefix):
      (kind, text, expression, pieces) = (.prefix, Array(prefix.utf8), nil, [])
    case .regex(let regex):
      (kind, text) = (.regex, Array(regex.substitution.utf8))
      (expression, pieces) = (RegularExpression(regex.pattern), [])
    case .template(let template):
      (kind, text, expression) = (.template, [], nil)
      pieces = template.pieces.map {
        switch $0 {
        case .literal(let literal): (Array(literal.utf8), 0)
        case .group(let group): ([], group)
        }
      }
    case .format(let model):
      (kind, text, expression, pieces) = (.format, [], nil, [])
      format = names.map { FormatProgram(model, names: $0) }
    }
    self.format = format
  }

  /// Adds what becomes of a path with its query. False: it stays as it is, and nothing was added.
  func rewrite(_ path: ByteView, matchedBy matcher: PathMatcher, into result: ByteBuilder) -> Bool {
    let start = result.count
    let bare = path.withoutQuery
    switch kind {
    case .prefix:
      result.append(text)
      result.append(path.dropFirst(Swift.min(matcher.matchedLength(path), path.count)))
      return true
    case .regex:
      expression?.replaceAll(in: bare, by: text, into: result)
      // An empty path is none: the old one is better.
      if result.count == start { return false }
    case .format: return false
    case .template:
      if !fill(bare, matcher, into: result) { return false }
    }
    result.append(path.dropFirst(bare.count))
    return true
  }

  private func fill(_ path: ByteView, _ matcher: PathMatcher, into result: ByteBuilder) -> Bool {
    guard let expression = matcher.expression else { return false }
    return withUnsafeTemporaryAllocation(
      of: RegularExpression.Span.self, capacity: RegularExpression.groupLimit
    ) { spans in
      guard expression.capture(path, spans) else { return false }
      for piece in pieces {
        let span = spans[piece.group]
        if piece.group == 0 {
          result.append(piece.literal)
        } else if span.start >= 0 {
          result.append(path.dropFirst(span.start).prefix(span.end - span.start))
        }
      }
      return true
    }
  }
}
