// JSON as the admin writes it: members in the order given, Envoy's indentation of one space. A
// value tree and a printer; Foundation's encoder would cost more memory than the whole admin.

/// A JSON value.
public enum JSONValue: Sendable, Hashable {
  public struct Member: Sendable, Hashable {
    public let name: String
    public let value: JSONValue
    public init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }
  case string(String)
  /// Written as a number.
  case integer(UInt64)
  /// Written as a number; NaN is null.
  case number(Double)
  case bool(Bool)
  case null
  case array([JSONValue])
  case object([Member])

  /// The protobuf JSON mapping writes 64-bit numbers as strings.
  static func integer64(_ value: UInt64) -> JSONValue { .string(String(value)) }

  /// With line breaks and one space a level, ending in a line break.
  var pretty: String {
    var out = ""
    write(to: &out, indent: 0, pretty: true)
    out += "\n"
    return out
  }

  /// Without any space.
  var compact: String {
    var out = ""
    write(to: &out, indent: 0, pretty: false)
    return out
  }

  private func write(to out: inout String, indent: Int, pretty: Bool) {
    switch self {
    case .string(let text): Self.write(text, to: &out)
    case .integer(let number): out += String(number)
    case .number(let number): out += number.isFinite ? Number.text(number) : "null"
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .array(let items):
      Self.writeList(items, open: "[", close: "]", to: &out, indent: indent, pretty: pretty) {
        $0.write(to: &$1, indent: indent + 1, pretty: pretty)
      }
    case .object(let members):
      Self.writeList(members, open: "{", close: "}", to: &out, indent: indent, pretty: pretty) {
        Self.write($0.name, to: &$1)
        $1 += pretty ? ": " : ":"
        $0.value.write(to: &$1, indent: indent + 1, pretty: pretty)
      }
    }
  }

  private static func writeList<Item>(
    _ items: [Item], open: String, close: String, to out: inout String, indent: Int, pretty: Bool,
    item write: (Item, inout String) -> Void
  ) {
    out += open
    for (index, item) in items.enumerated() {
      if index > 0 { out += "," }
      if pretty { out += "\n" + String(repeating: " ", count: indent + 1) }
      write(item, &out)
    }
    if pretty, !items.isEmpty { out += "\n" + String(repeating: " ", count: indent) }
    out += close
  }

  /// RFC 8259 section 7: quotation mark, backslash and the controls are escaped.
  private static func write(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{0}"..<"\u{20}", "\u{7f}":
        let hex = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
