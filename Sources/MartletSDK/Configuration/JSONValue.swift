// A reader of JSON (RFC 8259) for configurations: small, strict, without Foundation, which would
// add tens of megabytes to a self-contained plugin. It runs when configuration loads and never on
// the data path.

/// A JSON value. Numbers keep their text, so that whole numbers of 64 bits lose nothing.
public enum JSONValue: Sendable, Equatable {
  case null
  case boolean(Bool)
  case number(String)
  case string(String)
  case array([JSONValue])
  /// In the order of the text; a key that stands twice is an error when it is read.
  case object([Field])

  /// A member of an object.
  public struct Field: Sendable, Equatable {
    /// Without the quotes, escapes resolved.
    public let key: String
    /// What it stands for.
    public let value: JSONValue
  }

  /// Throws a `ConfigurationError` that says at which byte it is no JSON.
  public init(parsing bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBufferPointer { bytes in
      var parser = JSONParser(bytes: bytes)
      return try parser.document()
    }
  }

  /// What it is, for messages.
  var kind: String {
    switch self {
    case .null: "null"
    case .boolean: "a truth value"
    case .number: "a number"
    case .string: "text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

private struct JSONParser {
  let bytes: UnsafeBufferPointer<UInt8>
  var index = 0
  /// Nesting; a limit keeps the stack: a level takes well under 1 KiB of it.
  var depth = 0
  static let deepest = 128

  mutating func document() throws -> JSONValue {
    let value = try self.value()
    skipSpace()
    if index < bytes.count { throw wrong("nothing behind the value") }
    return value
  }

  private mutating func value() throws -> JSONValue {
    skipSpace()
    switch peek {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func object() throws -> JSONValue {
    try enter()
    var fields: [JSONValue.Field] = []
    var keys: Set<String> = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return leave(.object(fields)) }
    repeat {
      skipSpace()
      guard peek == UInt8(ascii: "\"") else { throw wrong("a key") }
      let key = try string()
      guard keys.insert(key).inserted else { throw wrong("'\(key)' only once") }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw wrong("':'") }
      fields.append(JSONValue.Field(key: key, value: try value()))
      skipSpace()
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw wrong("',' or '}'") }
    return leave(.object(fields))
  }

  private mutating func array() throws -> JSONValue {
    try enter()
    var elements: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return leave(.array(elements)) }
    repeat {
      elements.append(try value())
      skipSpace()
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw wrong("',' or ']'") }
    return leave(.array(elements))
  }

  private mutating func number() throws -> JSONValue {
    let start = index
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) {
      guard digits() > 0 else { throw wrong("a value") }
    }
    if take(UInt8(ascii: ".")) {
      guard digits() > 0 else { throw wrong("a digit") }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard digits() > 0 else { throw wrong("a digit") }
    }
    return .number(String(decoding: bytes[start..<index], as: UTF8.self))
  }

  private mutating func digits() -> Int {
    let start = index
    while let byte = peek, byte &- 0x30 < 10 { index += 1 }
    return index - start
  }

  private mutating func string() throws -> String {
    index += 1
    var text: [UInt8] = []
    while let byte = peek {
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let valid = String(validating: text, as: UTF8.self) else { throw wrong("UTF-8") }
        return valid
      case UInt8(ascii: "\\"): try escape(&text)
      case 0..<0x20: throw wrong("no control character in text")
      default: text.append(byte)
      }
    }
    throw wrong("'\"'")
  }

  private mutating func escape(_ text: inout [UInt8]) throws {
    guard let byte = peek else { throw wrong("an escape") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if 0xD800..<0xDC00 ~= code, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
        let low = try hexadecimal()
        guard 0xDC00..<0xE000 ~= low else { throw wrong("the second half of a surrogate pair") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw wrong("a Unicode character") }
      text.append(contentsOf: String(Character(scalar)).utf8)
    default: throw wrong("an escape")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    guard index + 4 <= bytes.count else { throw wrong("four hexadecimal digits") }
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[index])).hexDigitValue else {
        throw wrong("a hexadecimal digit")
      }
      code = code << 4 | UInt32(digit)
      index += 1
    }
    return code
  }

  private mutating func word(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
    for offset in 0..<word.utf8CodeUnitCount {
      guard take(word.utf8Start[offset]) else { throw wrong("a value") }
    }
    return value
  }

  private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    index += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      index += 1
    }
  }

  private mutating func enter() throws {
    index += 1
    depth += 1
    if depth > Self.deepest { throw wrong("at most \(Self.deepest) levels") }
  }

  private mutating func leave(_ value: JSONValue) -> JSONValue {
    depth -= 1
    return value
  }

  private func wrong(_ expected: String) -> ConfigurationError {
    ConfigurationError("JSON: expected \(expected) at byte \(index)")
  }
}
