// `%COALESCE({"operators": ["A", {"command": "B", "param": "p", "max_length": 5}]})%`: the first
// operator that says something. Its parameter is JSON, read here with what a format can hold (no
// parenthesis may close in it), because no other part of the model needs JSON.

enum FormatCoalesce {
  static func parse(
    _ text: String, plugins: (any FormatOperatorSource)? = nil
  ) throws(FormatError) -> FormatOperator {
    var reader = Reader(text)
    guard case .object(let members)? = reader.document() else {
      throw FormatError(message: "expected a JSON object, found `\(text)`")
    }
    guard case .list(let list)? = members["operators"], !list.isEmpty else {
      throw FormatError(message: "expected `operators` with a list of one operator or more")
    }
    var values: [FormatValue] = []
    for item in list { values.append(try value(item, plugins)) }
    return .coalesce(values)
  }

  private static func value(
    _ item: JSON, _ plugins: (any FormatOperatorSource)?
  ) throws(FormatError) -> FormatValue {
    switch item {
    case .text(let name):
      return FormatValue(try FormatOperatorTable.make(name, parameter: nil, length: nil, plugins: plugins))
    case .object(let members):
      guard case .text(let name)? = members["command"] else {
        throw FormatError(message: "expected `command` with the name of an operator")
      }
      var parameter: String?
      if let given = members["param"] {
        guard case .text(let text) = given else { throw FormatError(message: "expected text as `param`") }
        parameter = text
      }
      var length: Int?
      if let given = members["max_length"] {
        guard case .number(let number) = given, number > 0 else {
          throw FormatError(message: "expected a whole number of 1 or more as `max_length`")
        }
        length = number
      }
      if let other = members.keys.first(where: { !["command", "param", "max_length"].contains($0) }) {
        throw FormatError(message: "`\(other)` is none of command, param, max_length")
      }
      let made = try FormatOperatorTable.make(
        name, parameter: parameter, length: nil, plugins: plugins)
      return FormatValue(made, maxLength: length)
    case .number, .list:
      throw FormatError(message: "expected the name of an operator, or an object with `command`")
    }
  }

  private indirect enum JSON {
    case text(String)
    case number(Int)
    case list([JSON])
    case object([String: JSON])
  }

  private struct Reader {
    private let scalars: [Unicode.Scalar]
    private var at = 0
    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    mutating func document() -> JSON? {
      guard let value = value(depth: 0) else { return nil }
      skip()
      return at == scalars.count ? value : nil
    }

    private mutating func skip() {
      while at < scalars.count, " \t\r\n".unicodeScalars.contains(scalars[at]) { at += 1 }
    }
    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      skip()
      guard at < scalars.count, scalars[at] == scalar else { return false }
      at += 1
      return true
    }

    private mutating func value(depth: Int) -> JSON? {
      guard depth < 8 else { return nil }
      if take("{") {
        var members: [String: JSON] = [:]
        if take("}") { return .object(members) }
        repeat {
          guard let key = string(), take(":"), let value = value(depth: depth + 1) else { return nil }
          members[key] = value
        } while take(",")
        return take("}") ? .object(members) : nil
      }
      if take("[") {
        var items: [JSON] = []
        if take("]") { return .list(items) }
        repeat {
          guard let item = value(depth: depth + 1) else { return nil }
          items.append(item)
        } while take(",")
        return take("]") ? .list(items) : nil
      }
      if let text = string() { return .text(text) }
      var digits = ""
      while at < scalars.count, ("0"..."9").contains(scalars[at]) {
        digits.unicodeScalars.append(scalars[at])
        at += 1
      }
      return Int(digits).map { .number($0) }
    }

    private mutating func string() -> String? {
      guard take("\"") else { return nil }
      var result = ""
      while at < scalars.count {
        let scalar = scalars[at]
        at += 1
        if scalar == "\"" { return result }
        if scalar != "\\" {
          result.unicodeScalars.append(scalar)
          continue
        }
        guard at < scalars.count else { return nil }
        let escaped = scalars[at]
        at += 1
        switch escaped {
        case "n": result += "\n"
        case "t": result += "\t"
        case "r": result += "\r"
        case "u":
          guard at + 4 <= scalars.count,
            let code = UInt32(String(String.UnicodeScalarView(scalars[at..<at + 4])), radix: 16),
            let made = Unicode.Scalar(code)
          else { return nil }
          at += 4
          result.unicodeScalars.append(made)
        case "\"", "\\", "/": result.unicodeScalars.append(escaped)
        default: return nil
        }
      }
      return nil
    }
  }
}
