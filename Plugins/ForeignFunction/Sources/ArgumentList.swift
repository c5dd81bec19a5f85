// The argument of %FFI%: a function's name and its arguments, with commas between them. Each argument is a
// format string. Blanks around it are not part of it. A comma inside of parentheses or double quotes does not
// separate; an argument that is in double quotes whole loses them, and there a backslash takes the next
// character as it is.

enum ArgumentList {
  static func split(_ text: String) throws(GrammarError) -> [String] {
    let scalars = Array(text.unicodeScalars)
    var parts: [String] = []
    var index = 0
    repeat {
      parts.append(try part(scalars, &index))
      index += 1
    } while index <= scalars.count
    return parts
  }

  /// Ends at a comma or at the end.
  private static func part(_ scalars: [Unicode.Scalar], _ index: inout Int) throws(GrammarError) -> String {
    while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
    if index < scalars.count, scalars[index] == "\"" { return try quoted(scalars, &index) }
    let start = index
    var depth = 0
    var isQuoted = false
    while index < scalars.count {
      switch scalars[index] {
      case "\\" where isQuoted: index += 1
      case "\"": isQuoted.toggle()
      case "(" where !isQuoted: depth += 1
      case ")" where !isQuoted: depth -= 1
      case "," where !isQuoted && depth <= 0: return trimmed(scalars[start..<index])
      default: break
      }
      index += 1
    }
    index = min(index, scalars.count)
    if isQuoted {
      throw GrammarError(position: start + 1, message: "the quotation does not end: expected `\"`")
    }
    return trimmed(scalars[start..<index])
  }

  private static func quoted(_ scalars: [Unicode.Scalar], _ index: inout Int) throws(GrammarError) -> String {
    let start = index
    var text = ""
    index += 1
    while index < scalars.count, scalars[index] != "\"" {
      if scalars[index] == "\\", index + 1 < scalars.count { index += 1 }
      text.unicodeScalars.append(scalars[index])
      index += 1
    }
    guard index < scalars.count else {
      throw GrammarError(position: start + 1, message: "the quotation does not end: expected `\"`")
    }
    index += 1
    while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
    guard index == scalars.count || scalars[index] == "," else {
      throw GrammarError(position: index + 1, message: "expected `,` or the end behind the quotation")
    }
    return text
  }

  private static func trimmed(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var rest = scalars
    while let last = rest.last, last.properties.isWhitespace { rest.removeLast() }
    return String(String.UnicodeScalarView(rest))
  }
}
