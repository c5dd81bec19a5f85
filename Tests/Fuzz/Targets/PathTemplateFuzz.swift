// Path templates: the first line is a template, the second a rewrite, the third a path. Whatever parses
// is an expression that compiles and has a group for each variable; a rewrite's groups exist.
import Model

@testable import DataPlane

enum PathTemplateFuzz {
  static func run(_ input: [UInt8]) {
    let lines = input.split(separator: 0x0a, maxSplits: 2, omittingEmptySubsequences: false)
    let text = String(decoding: lines[0], as: UTF8.self)
    guard let template = try? PathTemplate(text) else { return }
    expect(template.variables.count <= PathTemplate.variableLimit, "too many variables")
    expect(Set(template.variables).count == template.variables.count, "a variable twice")
    guard let expression = RegularExpression(template.pattern) else {
      fatalError("fuzz: \(template.pattern) of \(text) does not compile")
    }
    if !text.contains(where: { "*{}".contains($0) }) {
      withExactCopy(Array(text.utf8)[...]) {
        expect(expression.matches(ByteView($0, $1)), "\(text) does not match itself")
      }
    }
    let rewrite = lines.count > 1 ? String(decoding: lines[1], as: UTF8.self) : "/"
    guard let pieces = try? PathTemplateRewrite(rewrite, variables: template.variables) else { return }
    for case .group(let group) in pieces.pieces {
      expect((1...template.variables.count).contains(group), "the group \(group)")
    }
    let path = lines.count > 2 ? lines[2] : []
    withExactCopy(path) { base, count in
      let rewriter = PathRewriter(.template(pieces))
      let matcher = PathMatcher(.template(template), caseSensitive: true)
      let result = ByteBuilder()
      let view = ByteView(base, count)
      let matches = expression.matches(view.withoutQuery)
      expect(
        rewriter.rewrite(view, matchedBy: matcher, into: result) == matches, "a rewrite without a match")
      expect(matches || result.count == 0, "something of nothing")
    }
  }
}
