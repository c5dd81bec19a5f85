// What an unquoted scalar means, decided here once for every field. The readings are Envoy's
// (yaml-cpp), for the same file must mean the same to both; Docs/configuration.md lists them.

enum YAMLScalar {
  /// YAML 1.1's booleans as yaml-cpp takes them: all lower case, all upper case or capitalised.
  static func boolean(_ text: String) -> Bool? {
    guard text.utf8.count <= 5 else { return nil }
    let lower = text.lowercased()
    let value: Bool
    switch lower {
    case "true", "yes", "on", "y": value = true
    case "false", "no", "off", "n": value = false
    default: return nil
    }
    guard
      text == lower || text == lower.uppercased()
        || text == lower.prefix(1).uppercased() + lower.dropFirst()
    else { return nil }
    return value
  }

  /// A whole number with its sign, where the text is one.
  struct Integer {
    var isNegative = false
    var magnitude: UInt64 = 0
    /// `010`: eight to YAML 1.1 and ten to YAML 1.2.
    var isOctal = false
    /// More than 64 bits.
    var overflows = false
  }

  enum IntegerReading {
    case number(Integer)
    /// `09`: begins like an octal number and is none.
    case badOctal
    case notANumber
  }

  /// Decimal, `0x` hexadecimal, and with a leading zero octal. No underscores, no `0o`, no
  /// sexagesimals: those are text to Envoy too.
  static func integer(_ text: String, isQuoted: Bool) -> IntegerReading {
    var rest = Array(text.utf8)[...]
    var result = Integer()
    if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      // protobuf's parser of quoted numbers takes no plus.
      guard !isQuoted || sign == UInt8(ascii: "-") else { return .notANumber }
      result.isNegative = sign == UInt8(ascii: "-")
      rest = rest.dropFirst()
    }
    var base: UInt64 = 10
    if !isQuoted, rest.count > 1, rest.first == UInt8(ascii: "0") {
      if rest.dropFirst().first == UInt8(ascii: "x") || rest.dropFirst().first == UInt8(ascii: "X") {
        base = 16
        rest = rest.dropFirst(2)
      } else {
        base = 8
        result.isOctal = true
        rest = rest.dropFirst()
      }
    }
    guard !rest.isEmpty else { return .notANumber }
    for byte in rest {
      guard let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80,
        digit < (base == 16 ? 16 : 10)
      else { return fraction(text) }
      guard digit < base else { return .badOctal }
      let (product, first) = result.magnitude.multipliedReportingOverflow(by: base)
      let (sum, second) = product.addingReportingOverflow(UInt64(digit))
      if first || second { result.overflows = true }
      result.magnitude = sum
    }
    return .number(result)
  }

  /// True where Envoy makes a number of it before it knows the field: whole numbers of 32 bits.
  /// Larger ones and fractions stay text to it, so that they may stand in a text field.
  static func isSmallInteger(_ text: String) -> Bool {
    guard case .number(let value) = integer(text, isQuoted: false), !value.overflows,
      value.magnitude <= (value.isNegative ? 1 << 31 : 1 << 31 - 1)
    else { return false }
    return text.contains("x") || text.contains("X")
      || !text.utf8.contains { $0 == 0x2e || $0 | 0x20 == 0x65 }
  }

  /// `80.0` and `8e1` are whole numbers to the protobuf JSON mapping.
  private static func fraction(_ text: String) -> IntegerReading {
    guard let first = text.utf8.first, first != UInt8(ascii: "."), isDecimal(text),
      let value = Double(text),
      value == value.rounded(), abs(value) < 9_007_199_254_740_992
    else { return .notANumber }
    return .number(Integer(isNegative: value < 0, magnitude: UInt64(abs(value))))
  }

  /// A decimal number in the form of JSON, with an optional plus.
  static func decimal(_ text: String) -> Double? { isDecimal(text) ? Double(text) : nil }

  private static func isDecimal(_ text: String) -> Bool {
    guard !text.isEmpty, text.utf8.count < 64 else { return false }
    return text.utf8.allSatisfy {
      ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2b || $0 == 0x2d || $0 == 0x2e || $0 == 0x65
        || $0 == 0x45
    }
  }
}
