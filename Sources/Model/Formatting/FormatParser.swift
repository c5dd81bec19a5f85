// Reads format strings. Envoy's grammar:
//
//     format   = *(text / "%%" / operator)
//     operator = "%" NAME ["(" parameter ")"] [":" length] "%"
//
// A parameter holds no `)`, but for operators of plugins: theirs ends at the parenthesis that closes
// it. Those in it come in pairs or stand in double quotes, where a backslash takes the next character as
// it is. An error says which operator is wrong and what is expected.

/// Why a format is refused; reads on from the name of its field.
public struct FormatError: Error, Hashable, Sendable {
  public let message: String
  /// An operator of a plugin has no configuration.
  public let lacksConfiguration: Bool
  public init(message: String, lacksConfiguration: Bool = false) {
    self.message = message
    self.lacksConfiguration = lacksConfiguration
  }
}

public enum FormatParser {
  /// `plugins`: the operators of plugins that the format may have.
  public static func parse(
    _ format: String, plugins: (any FormatOperatorSource)? = nil
  ) throws(FormatError) -> [FormatElement] {
    var scanner = Scanner(format)
    var elements: [FormatElement] = []
    var literal: [UInt8] = []
    while let byte = scanner.next() {
      if byte != UInt8(ascii: "%") {
        literal.append(byte)
      } else if scanner.take("%") {
        literal.append(byte)
      } else {
        if !literal.isEmpty { elements.append(.text(String(decoding: literal, as: UTF8.self))) }
        literal = []
        elements.append(.value(try value(&scanner, plugins)))
      }
    }
    if !literal.isEmpty { elements.append(.text(String(decoding: literal, as: UTF8.self))) }
    return elements
  }

  /// An operator behind its `%`.
  private static func value(
    _ scanner: inout Scanner, _ plugins: (any FormatOperatorSource)?
  ) throws(FormatError) -> FormatValue {
    let start = scanner.position - 1
    func fail(_ why: String) -> FormatError {
      FormatError(message: "`\(scanner.excerpt(from: start))`: \(why)")
    }
    let name = scanner.take { ($0 >= 0x41 && $0 <= 0x5a) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5f }
    guard !name.isEmpty else {
      throw fail("expected the name of an operator in capitals, as in %PROTOCOL%; `%%` is a percent sign")
    }
    var parameter: String?
    if scanner.take("(") {
      let isPlugins = !FormatOperatorTable.isBuiltIn(name) && plugins?.has(name) == true
      parameter = isPlugins ? scanner.takeArgument() : scanner.take { $0 != UInt8(ascii: ")") }
      guard scanner.take(")") else { throw fail("the parameter does not end: expected `)`") }
    }
    var length: Int?
    if scanner.take(":") {
      let digits = scanner.take { $0 >= 0x30 && $0 <= 0x39 }
      guard let number = Int(digits), number <= Int(UInt32.max) else {
        throw fail("expected a length in bytes behind the colon")
      }
      length = number
    }
    guard scanner.take("%") else { throw fail("the operator does not end: expected `%`") }
    do {
      return FormatValue(
        try FormatOperatorTable.make(name, parameter: parameter, length: length, plugins: plugins),
        maxLength: length)
    } catch {
      throw FormatError(
        message: "`%\(name)%`: \(error.message)", lacksConfiguration: error.lacksConfiguration)
    }
  }

  private struct Scanner {
    private let bytes: [UInt8]
    private(set) var position = 0
    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func next() -> UInt8? {
      guard position < bytes.count else { return nil }
      position += 1
      return bytes[position - 1]
    }
    mutating func take(_ byte: Unicode.Scalar) -> Bool {
      guard position < bytes.count, bytes[position] == UInt8(ascii: byte) else { return false }
      position += 1
      return true
    }
    mutating func take(while isPart: (UInt8) -> Bool) -> String {
      let start = position
      while position < bytes.count, isPart(bytes[position]) { position += 1 }
      return String(decoding: bytes[start..<position], as: UTF8.self)
    }
    /// Up to the parenthesis that closes what is open here, or to the end where none does.
    mutating func takeArgument() -> String {
      let start = position
      var depth = 0
      var isQuoted = false
      while position < bytes.count {
        switch bytes[position] {
        case UInt8(ascii: "\\") where isQuoted: position += 1
        case UInt8(ascii: "\""): isQuoted.toggle()
        case UInt8(ascii: "(") where !isQuoted: depth += 1
        case UInt8(ascii: ")") where !isQuoted:
          if depth == 0 { return String(decoding: bytes[start..<position], as: UTF8.self) }
          depth -= 1
        default: break
        }
        position += 1
      }
      position = min(position, bytes.count)
      return String(decoding: bytes[start..<position], as: UTF8.self)
    }
    func excerpt(from start: Int) -> String {
      let end = min(bytes.count, max(position + 1, start + 1))
      return String(decoding: bytes[start..<min(end, start + 60)], as: UTF8.self)
    }
  }
}
