// Whether a regular expression is one, by the same library that will run it.
import CMartletRegex

enum RegularExpressionCheck {
  /// As in routes: RE2's measure of an expression's cost.
  private static let programLimit = 32_768

  /// Why the pattern cannot be used; nil: it can.
  static func problem(_ pattern: [UInt8]) -> String? {
    var error = [CChar](repeating: 0, count: 256)
    guard
      let made = pattern.withUnsafeBufferPointer({
        martlet_regex_make($0.baseAddress, $0.count, &error, error.count)
      })
    else {
      let text = error.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      return "not a regular expression of RE2: \(String(decoding: text, as: UTF8.self))"
    }
    defer { martlet_regex_free(made) }
    let size = Int(martlet_regex_program_size(made))
    return size > programLimit
      ? "the regular expression is too large (\(size) instructions, at most \(programLimit))" : nil
  }
}
