// Words, numbers and marks of the plugin's two small grammars, signatures and comparisons, with the position
// of each.

struct GrammarScanner {
  enum Token: Equatable {
    case word(String)
    /// As it stands there, with its sign.
    case number(String)
    /// What stands between the quotes.
    case text(String)
    /// One of `( ) { } [ ] , : =` or an arrow or a comparison.
    case mark(String)
    case end

    var description: String {
      switch self {
      case .word(let text), .number(let text), .mark(let text): "`\(text)`"
      case .text(let text): "\"\(text)\""
      case .end: "the end"
      }
    }
  }

  private let scalars: [Unicode.Scalar]
  private var index = 0
  /// The token ahead, and where it begins.
  private(set) var token = Token.end
  private(set) var position = 1

  init(_ text: String) throws(GrammarError) {
    scalars = Array(text.unicodeScalars)
    try advance()
  }

  private static let marks = [
    "->", "==", "!=", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", ":", "=", "<", ">",
  ]

  mutating func advance() throws(GrammarError) {
    while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
    position = index + 1
    guard index < scalars.count else {
      token = .end
      return
    }
    let first = scalars[index]
    if Self.isLetter(first) {
      token = .word(take { Self.isLetter($0) || Self.isDigit($0) || $0 == "." })
    } else if Self.isDigit(first)
      || first == "-" && index + 1 < scalars.count && Self.isDigit(scalars[index + 1])
    {
      token = .number(number())
    } else if first == "\"" {
      token = .text(try quoted())
    } else if let mark = Self.marks.first(where: begins) {
      index += mark.unicodeScalars.count
      token = .mark(mark)
    } else {
      throw fail("`\(first)` has no meaning here")
    }
  }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_"
  }
  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

  private mutating func take(while isPart: (Unicode.Scalar) -> Bool) -> String {
    let start = index
    while index < scalars.count, isPart(scalars[index]) { index += 1 }
    return String(String.UnicodeScalarView(scalars[start..<index]))
  }

  private mutating func number() -> String {
    let start = index
    index += 1
    while index < scalars.count {
      let scalar = scalars[index]
      let isSign =
        (scalar == "-" || scalar == "+") && (scalars[index - 1] == "e" || scalars[index - 1] == "E")
      guard Self.isDigit(scalar) || Self.isLetter(scalar) || scalar == "." || isSign else { break }
      index += 1
    }
    return String(String.UnicodeScalarView(scalars[start..<index]))
  }

  private func begins(_ mark: String) -> Bool {
    let wanted = Array(mark.unicodeScalars)
    return index + wanted.count <= scalars.count && Array(scalars[index..<index + wanted.count]) == wanted
  }

  /// A backslash takes the next character as it is.
  private mutating func quoted() throws(GrammarError) -> String {
    var text = ""
    index += 1
    while index < scalars.count, scalars[index] != "\"" {
      if scalars[index] == "\\" { index += 1 }
      guard index < scalars.count else { break }
      text.unicodeScalars.append(scalars[index])
      index += 1
    }
    guard index < scalars.count else { throw fail("the quotation does not end: expected `\"`") }
    index += 1
    return text
  }

  func fail(_ message: String) -> GrammarError { GrammarError(position: position, message: message) }

  /// Takes a mark where it stands.
  mutating func take(_ mark: String) throws(GrammarError) -> Bool {
    guard token == .mark(mark) else { return false }
    try advance()
    return true
  }

  mutating func expect(_ mark: String) throws(GrammarError) {
    if try take(mark) { return }
    throw fail("expected `\(mark)`, found \(token.description)")
  }

  mutating func takeWord(_ what: String) throws(GrammarError) -> String {
    guard case .word(let word) = token else {
      throw fail("expected \(what), found \(token.description)")
    }
    try advance()
    return word
  }

  func expectEnd() throws(GrammarError) {
    if token != .end { throw fail("expected nothing more, found \(token.description)") }
  }
}
