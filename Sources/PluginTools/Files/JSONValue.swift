// JSON as the tools need it: reports are written, and configurations of filters are read, changed and
// written again (RFC 8259). Numbers stay as they are written.

/// A JSON value; members of objects keep their order.
indirect enum JSONValue: Sendable, Equatable {
  case null
  case boolean(Bool)
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([Member])

  struct Member: Sendable, Equatable {
    var name: String
    var value: JSONValue
  }

  static func members(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    .object(members.map { Member(name: $0.key, value: $0.value) })
  }
  static func number(_ value: some BinaryInteger) -> JSONValue { .number("\(value)") }
  static func strings(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }

  // MARK: Writing

  /// Two blanks for each level; `compact`: in one line.
  func text(compact: Bool = false) -> String {
    var out = ""
    write(to: &out, compact ? nil : 0)
    return out
  }

  private func write(to out: inout String, _ level: Int?) {
    switch self {
    case .null: out += "null"
    case .boolean(let value): out += value ? "true" : "false"
    case .number(let text): out += text
    case .string(let text): Self.write(text, to: &out)
    case .array(let values):
      Self.write(values.map { (nil, $0) }, "[", "]", to: &out, level)
    case .object(let members):
      Self.write(members.map { ($0.name, $0.value) }, "{", "}", to: &out, level)
    }
  }

  private static func write(
    _ items: [(String?, JSONValue)], _ open: String, _ close: String, to out: inout String, _ level: Int?
  ) {
    out += open
    for (index, item) in items.enumerated() {
      if index > 0 { out += level == nil ? ", " : "," }
      if let level { out += "\n" + String(repeating: "  ", count: level + 1) }
      if let name = item.0 {
        write(name, to: &out)
        out += ": "
      }
      item.1.write(to: &out, level.map { $0 + 1 })
    }
    if let level, !items.isEmpty { out += "\n" + String(repeating: "  ", count: level) }
    out += close
  }

  private static func write(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }

  // MARK: Reading

  /// Nil: it is not one JSON value.
  init?(parsing bytes: [UInt8]) {
    var reader = Reader(bytes: bytes)
    guard let value = reader.value(depth: 0) else { return nil }
    reader.skipSpace()
    guard reader.at == bytes.count else { return nil }
    self = value
  }

  private struct Reader {
    let bytes: [UInt8]
    var at = 0

    mutating func skipSpace() {
      while at < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
    }

    mutating func take(_ character: Character) -> Bool {
      skipSpace()
      guard at < bytes.count, bytes[at] == character.asciiValue else { return false }
      at += 1
      return true
    }

    mutating func take(word: String) -> Bool {
      guard bytes[at...].starts(with: word.utf8) else { return false }
      at += word.utf8.count
      return true
    }

    /// Deeper than any configuration: refused.
    static let deepest = 100

    mutating func value(depth: Int) -> JSONValue? {
      skipSpace()
      guard at < bytes.count, depth < Self.deepest else { return nil }
      if take("{") { return object(depth) }
      if take("[") { return array(depth) }
      if bytes[at] == UInt8(ascii: "\"") { return string().map { .string($0) } }
      if take(word: "null") { return .null }
      if take(word: "true") { return .boolean(true) }
      if take(word: "false") { return .boolean(false) }
      let start = at
      while at < bytes.count, "+-.0123456789eE".utf8.contains(bytes[at]) { at += 1 }
      return at > start ? .number(String(decoding: bytes[start..<at], as: UTF8.self)) : nil
    }

    private mutating func object(_ depth: Int) -> JSONValue? {
      var members: [Member] = []
      if take("}") { return .object(members) }
      repeat {
        skipSpace()
        guard let name = string(), take(":"), let value = value(depth: depth + 1) else { return nil }
        members.append(Member(name: name, value: value))
      } while take(",")
      return take("}") ? .object(members) : nil
    }

    private mutating func array(_ depth: Int) -> JSONValue? {
      var values: [JSONValue] = []
      if take("]") { return .array(values) }
      repeat {
        guard let value = value(depth: depth + 1) else { return nil }
        values.append(value)
      } while take(",")
      return take("]") ? .array(values) : nil
    }

    private mutating func string() -> String? {
      guard take("\"") else { return nil }
      var text: [UInt8] = []
      while at < bytes.count {
        let byte = bytes[at]
        at += 1
        if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
        guard byte == UInt8(ascii: "\\") else {
          text.append(byte)
          continue
        }
        guard at < bytes.count else { return nil }
        let escape = bytes[at]
        at += 1
        let plain: [UInt8: UInt8] = [
          0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9,
        ]
        if let byte = plain[escape] {
          text.append(byte)
        } else if escape == UInt8(ascii: "u"), let unit = unit() {
          guard let scalar = scalar(from: unit) else { return nil }
          text += Array(String(Character(scalar)).utf8)
        } else {
          return nil
        }
      }
      return nil
    }

    private mutating func unit() -> UInt32? {
      guard at + 4 <= bytes.count else { return nil }
      let digits = String(decoding: bytes[at..<at + 4], as: UTF8.self)
      at += 4
      return UInt32(digits, radix: 16)
    }

    private mutating func scalar(from first: UInt32) -> Unicode.Scalar? {
      guard (0xd800..<0xdc00).contains(first) else { return Unicode.Scalar(first) }
      guard take(word: "\\u"), let second = unit(), (0xdc00..<0xe000).contains(second) else { return nil }
      return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
    }
  }

  // MARK: Looking in

  /// Every text in it, names of members left out.
  var texts: [String] {
    switch self {
    case .string(let text): [text]
    case .array(let values): values.flatMap(\.texts)
    case .object(let members): members.flatMap(\.value.texts)
    default: []
    }
  }
}
