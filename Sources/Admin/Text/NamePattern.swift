// The `filter` of `/stats` and `/clusters`: does this regular expression occur in the name?
//
// It is the C library's POSIX extended expression, which runs without backtracking; a Swift
// `Regex` could be sent into exponential time by one admin request and starve the workers of a
// core. What would still be dangerous (counted repetition, which glibc expands, and
// back-references) is refused. RE2, Envoy's engine, replaces this when routes bring it in.
import Glibc

/// A compiled expression. One request's; never shared between threads.
final class NamePattern {
  /// Why an expression was refused.
  struct Problem: Error {
    let text: String
  }
  /// Bytes of an expression. Names are about a hundred bytes long, and so are useful filters.
  static let maximumLength = 512

  private var compiled = regex_t()

  init(_ expression: String) throws(Problem) {
    guard expression.utf8.count <= Self.maximumLength else {
      throw Problem(text: "longer than \(Self.maximumLength) bytes")
    }
    let translated = try Self.translate(expression)
    let status = regcomp(&compiled, translated, REG_EXTENDED | REG_NOSUB)
    guard status == 0 else {
      var message = [CChar](repeating: 0, count: 128)
      regerror(status, &compiled, &message, message.count)
      let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw Problem(text: String(decoding: text, as: UTF8.self))
    }
  }

  deinit { regfree(&compiled) }

  func matches(_ name: String) -> Bool { regexec(&compiled, name, 0, nil, 0) == 0 }

  /// RE2's `\d` becomes `[0-9]`; what the C library cannot do safely is refused.
  private static func translate(_ expression: String) throws(Problem) -> String {
    var out = ""
    var bytes = expression.unicodeScalars.makeIterator()
    var inBrackets = false
    var previous: Unicode.Scalar?
    while let scalar = bytes.next() {
      defer { previous = scalar }
      if inBrackets {
        if scalar == "]", previous != "[", previous != "^" { inBrackets = false }
        out.unicodeScalars.append(scalar)
        continue
      }
      switch scalar {
      case "\0": throw Problem(text: "NUL")
      case "[":
        inBrackets = true
        out += "["
      case "{": throw Problem(text: "counted repetition '{' is not supported")
      case "?" where previous == "(": throw Problem(text: "'(?' is not supported")
      case "\\":
        guard let escaped = bytes.next() else { throw Problem(text: "trailing \\") }
        switch escaped {
        case "d": out += "[0-9]"
        case "D": out += "[^0-9]"
        case "1"..."9": throw Problem(text: "back-references are not supported")
        default: out += "\\" + String(escaped)
        }
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
