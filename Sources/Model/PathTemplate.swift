// Path templates (`extensions.path.match.uri_template`): `/shop/{department}/*/{item=**}.html`.
//
//     template  = 1*( "/" segment )
//     segment   = literal / operator / [ literal ] variable [ literal ] / "" (at the end alone)
//     operator  = "*"   one or more characters of one path segment
//               / "**"  any number of characters, slashes too; nothing but literals behind it
//     variable  = "{" name [ "=" 1*( "/" ) of literals and operators ] "}"
//
// At the very end, an operator may have a literal behind it: `/*.m3u8`. A template becomes a regular
// expression in which every variable is a group.

public struct PathTemplate: Hashable, Sendable {
  /// As it was written.
  public let text: String
  /// In RE2's syntax, for the whole of a path.
  public let pattern: String
  /// Names, in the order of the groups.
  public let variables: [String]

  /// Why a text is no template.
  public struct Problem: Error, Sendable {
    public let message: String
    init(_ message: String) { self.message = message }
  }

  public static let variableLimit = 5
  public static let nameLimit = 16

  public init(_ text: String) throws(Problem) {
    var parser = Parser(text)
    try parser.parse()
    self.text = text
    pattern = parser.pattern
    variables = parser.variables
  }

  /// Characters of a path segment (RFC 3986 section 3.3).
  static func isLiteral(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: "-._~%!$&'()*+,;:@=".utf8.contains(byte)
    }
  }

  private struct Parser {
    var rest: Substring.UTF8View
    var pattern = ""
    var variables: [String] = []
    private var sawTextGlob = false
    private let text: String

    init(_ text: String) {
      self.text = text
      rest = text[...].utf8
    }

    mutating func parse() throws(Problem) {
      guard rest.first == slash else { throw Problem("expected a text that begins with `/`") }
      while rest.first == slash {
        rest.removeFirst()
        pattern += "/"
        if rest.isEmpty { return }
        try segment()
      }
    }

    private let slash = UInt8(ascii: "/")
    private let star = UInt8(ascii: "*")

    private mutating func segment() throws(Problem) {
      if rest.first == star {
        addOperator(try takeOperator())
        // A literal may follow an operator at the end of the template alone.
        let literal = takeLiteralText()
        if !literal.isEmpty {
          try addLiteral(literal)
          if !rest.isEmpty { throw Problem("expected `/` after the operator, found `\(literal)`") }
        }
        return
      }
      let prefix = takeUntil(UInt8(ascii: "{"))
      if !prefix.isEmpty { try addLiteral(prefix) }
      if rest.first == UInt8(ascii: "{") {
        try variable(mayHaveSlash: prefix.isEmpty)
        let suffix = takeLiteralText()
        if !suffix.isEmpty { try addLiteral(suffix) }
      } else if prefix.isEmpty {
        throw Problem("expected a segment between two slashes")
      }
    }

    /// Up to the byte or the end of the segment.
    private mutating func takeUntil(_ byte: UInt8) -> String {
      let end = rest.firstIndex { $0 == byte || $0 == slash } ?? rest.endIndex
      defer { rest = rest[end...] }
      return String(decoding: rest[..<end], as: UTF8.self)
    }

    private mutating func takeLiteralText() -> String {
      let end = rest.firstIndex(of: slash) ?? rest.endIndex
      defer { rest = rest[end...] }
      return String(decoding: rest[..<end], as: UTF8.self)
    }

    private mutating func addLiteral(_ literal: String) throws(Problem) {
      for byte in literal.utf8 where !PathTemplate.isLiteral(byte) {
        let character = String(decoding: [byte], as: UTF8.self)
        throw Problem("`\(character)` in `\(literal)` is not a character of a path segment")
      }
      pattern += PathTemplate.quoted(literal)
    }

    private mutating func takeOperator() throws(Problem) -> Bool {
      rest.removeFirst()
      let isText = rest.first == star
      if isText { rest.removeFirst() }
      if sawTextGlob { throw Problem("nothing but literals may stand behind `**`") }
      sawTextGlob = isText
      return isText
    }

    private mutating func addOperator(_ isText: Bool) {
      let characters = "a-zA-Z0-9\\-._~%!$&'()*+,;:@="
      pattern += isText ? "[\(characters)/]*" : "[\(characters)]+"
    }

    private mutating func variable(mayHaveSlash: Bool) throws(Problem) {
      guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else {
        throw Problem("expected `}` to end the variable")
      }
      let inner = rest[..<end].dropFirst()
      let name: String
      var match: Substring.UTF8View?
      if let equals = inner.firstIndex(of: UInt8(ascii: "=")) {
        name = String(decoding: inner[..<equals], as: UTF8.self)
        match = inner[inner.index(after: equals)...]
      } else {
        name = String(decoding: inner, as: UTF8.self)
      }
      try add(name: name)
      pattern += "("
      if let match {
        if !mayHaveSlash, match.contains(slash) {
          throw Problem("a variable with `/` must begin its segment")
        }
        let after = rest[rest.index(after: end)...]
        rest = match
        try variableMatch()
        rest = after
      } else {
        if sawTextGlob { throw Problem("nothing but literals may stand behind `**`") }
        addOperator(false)
        rest = rest[rest.index(after: end)...]
      }
      pattern += ")"
    }

    private mutating func add(name: String) throws(Problem) {
      let letters = name.utf8.allSatisfy {
        $0 == UInt8(ascii: "_") || Character(UnicodeScalar($0)).isLetter
          || Character(UnicodeScalar($0)).isNumber
      }
      guard let first = name.utf8.first, name.utf8.count <= PathTemplate.nameLimit,
        name.utf8.allSatisfy({ $0 < 0x80 }), letters, Character(UnicodeScalar(first)).isLetter
      else {
        throw Problem(
          "expected the name of a variable, 1 to \(PathTemplate.nameLimit) letters, digits and `_`, "
            + "a letter first; found `\(name)`")
      }
      if variables.contains(name) { throw Problem("the variable `\(name)` stands there twice") }
      if variables.count == PathTemplate.variableLimit {
        throw Problem("more than \(PathTemplate.variableLimit) variables")
      }
      variables.append(name)
    }

    /// What a variable matches; `rest` is its inside.
    private mutating func variableMatch() throws(Problem) {
      if rest.isEmpty { throw Problem("expected what the variable matches, found nothing") }
      while true {
        if rest.first == star {
          addOperator(try takeOperator())
        } else {
          let literal = takeLiteralText()
          if literal.isEmpty { throw Problem("expected a segment between two slashes") }
          try addLiteral(literal)
        }
        if rest.isEmpty { return }
        guard rest.first == slash, rest.count > 1 else {
          throw Problem("expected `/` and a segment in the variable")
        }
        rest.removeFirst()
        pattern += "/"
      }
    }
  }

  /// `text` with what means something in an expression escaped.
  static func quoted(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if "\\.+*?()|[]{}^$".unicodeScalars.contains(scalar) { result += "\\" }
      result.unicodeScalars.append(scalar)
    }
    return result
  }
}

/// `extensions.path.rewrite.uri_template`: the new path, with variables of a match's template.
public struct PathTemplateRewrite: Hashable, Sendable {
  public enum Piece: Hashable, Sendable {
    case literal(String)
    /// The group of a variable, from 1.
    case group(Int)
  }
  public let text: String
  public let pieces: [Piece]

  public init(_ text: String, variables: [String]) throws(PathTemplate.Problem) {
    guard text.hasPrefix("/") else {
      throw PathTemplate.Problem("expected a text that begins with `/`")
    }
    if text.contains("//") { throw PathTemplate.Problem("expected a segment between two slashes") }
    var pieces: [Piece] = []
    var rest = text[...]
    while !rest.isEmpty {
      let literal = rest.prefix { $0 != "{" }
      for byte in literal.utf8 where !PathTemplate.isLiteral(byte) && byte != UInt8(ascii: "/") {
        let character = String(decoding: [byte], as: UTF8.self)
        throw PathTemplate.Problem("`\(character)` in `\(literal)` is not a character of a path")
      }
      if !literal.isEmpty { pieces.append(.literal(String(literal))) }
      rest = rest[literal.endIndex...]
      guard !rest.isEmpty else { break }
      guard let end = rest.firstIndex(of: "}") else {
        throw PathTemplate.Problem("expected `}` to end the variable")
      }
      let name = String(rest[rest.index(after: rest.startIndex)..<end])
      guard let index = variables.firstIndex(of: name) else {
        throw PathTemplate.Problem("`{\(name)}` is not a variable of the match's template")
      }
      pieces.append(.group(index + 1))
      rest = rest[rest.index(after: end)...]
    }
    self.text = text
    self.pieces = pieces
  }
}
