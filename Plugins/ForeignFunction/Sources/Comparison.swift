// Comparisons of what a function has given: `result == 0`, `result != null`, `length <= 32`, `name == "a"`.
import MartletSDK

struct Comparison: Sendable {
  enum Operator: String, Sendable {
    case equal = "==", notEqual = "!=", less = "<", lessOrEqual = "<="
    case greater = ">", greaterOrEqual = ">="
  }
  enum Right: Sendable {
    case null
    case whole(Int128)
    case floating(Double)
    case text([UInt8])
  }

  let left: ForeignValue
  let comparison: Operator
  let right: Right

  /// Nil: the text is empty.
  static func make(
    _ text: String, _ layout: FrameLayout, _ signature: Signature, at path: String
  ) throws -> Comparison? {
    if text.isEmpty { return nil }
    do throws(GrammarError) {
      return try parse(text, layout, signature)
    } catch {
      throw ConfigurationError(error.description, at: path)
    }
  }

  private static func parse(
    _ text: String, _ layout: FrameLayout, _ signature: Signature
  ) throws(GrammarError) -> Comparison {
    var scanner = try GrammarScanner(text)
    let position = scanner.position
    let name = try scanner.takeWord("the name of a value")
    guard let left = layout.value(name, signature) else {
      let names = layout.valueNames(signature).map { "`\($0)`" }.joined(separator: ", ")
      throw GrammarError(
        position: position,
        message: "the function has no value `\(name)`" + (names.isEmpty ? "" : "; it has \(names)"))
    }
    guard case .mark(let mark) = scanner.token, let comparison = Operator(rawValue: mark) else {
      throw scanner.fail("expected ==, !=, <, <=, > or >=, found \(scanner.token.description)")
    }
    try scanner.advance()
    let right = try right(of: left, comparison, &scanner)
    try scanner.advance()
    try scanner.expectEnd()
    return Comparison(left: left, comparison: comparison, right: right)
  }

  private static func right(
    of left: ForeignValue, _ comparison: Operator, _ scanner: inout GrammarScanner
  ) throws(GrammarError) -> Right {
    let isEquality = comparison == .equal || comparison == .notEqual
    switch (left, scanner.token) {
    case (.resultString, .word("null")) where isEquality, (.resultPointer, .word("null")) where isEquality:
      return .null
    case (.resultString, .text(let text)) where isEquality, (.buffer, .text(let text)) where isEquality:
      return .text(Array(text.utf8))
    case (.number(_, let type), .number(let text)):
      if type.isFloating, let number = Double(text) { return .floating(number) }
      if !type.isFloating, let number = Self.whole(text) { return .whole(number) }
      throw scanner.fail("\(text) is no number of this type")
    default: break
    }
    let expected =
      switch left {
      case .number: "a number"
      case .buffer: "== or != and text in double quotes"
      case .resultString: "== or !=, and null or text in double quotes"
      case .resultPointer: "== or != and null"
      }
    throw scanner.fail("expected \(expected), found \(scanner.token.description)")
  }

  private static func whole(_ text: String) -> Int128? {
    if let bits = ScalarType.int64.bits(text) { return Int128(Int64(bitPattern: bits)) }
    return ScalarType.uint64.bits(text).map { Int128($0) }
  }

  /// What there is not is equal to nothing.
  func holds(_ frame: CallFrame) -> Bool {
    switch right {
    case .null: return frame.resultIsNull == (comparison == .equal)
    case .text(let text):
      let isEqual = frame.withBytes(left) { $0.elementsEqual(text) } ?? false
      return isEqual == (comparison == .equal)
    case .whole(let number):
      guard case .number(let offset, let type) = left,
        case .whole(let value) = frame.number(at: offset, type)
      else { return false }
      return compare(value, number)
    case .floating(let number):
      guard case .number(let offset, let type) = left,
        case .floating(let value) = frame.number(at: offset, type)
      else { return false }
      return compare(value, number)
    }
  }

  private func compare<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
    switch comparison {
    case .equal: left == right
    case .notEqual: left != right
    case .less: left < right
    case .lessOrEqual: left <= right
    case .greater: left > right
    case .greaterOrEqual: left >= right
    }
  }
}
