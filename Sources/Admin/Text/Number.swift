// Numbers with a fraction as the admin writes them: the shortest text that reads back as the same
// number, without a fraction that is none.

enum Number {
  static func text(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let text = "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// Six digits and an exponent where the number is large, as C's `%g`: Envoy writes the bounds of
  /// buckets so in its text.
  static func general(_ value: Double) -> String {
    guard value >= 1e6, value.isFinite else { return text(value) }
    var mantissa = value
    var exponent = 0
    while mantissa >= 10 {
      mantissa /= 10
      exponent += 1
    }
    let rounded = (mantissa * 100_000).rounded() / 100_000
    return "\(text(rounded))e+\(exponent < 10 ? "0" : "")\(exponent)"
  }
}
