// JSON text (RFC 8259) to the same tree as YAML, with a line for every node.
//
// YAML is nearly a superset of JSON but not quite: tabs as indentation and surrogate pairs in
// `\u` escapes are JSON that libyaml refuses, and Foundation's parser tells no lines. Strict:
// no comments, no trailing commas, nothing after the value.

struct JSONReader {
  typealias Failure = YAMLReader.Failure

  private let bytes: UnsafeRawBufferPointer
  private let file: Int
  private var index = 0
  private var line = 1
  private var nodes = 0

  private init(_ bytes: UnsafeRawBufferPointer, file: Int) {
    self.bytes = bytes
    self.file = file
  }

  static func read(_ bytes: UnsafeRawBufferPointer, file: Int) throws(Failure) -> ConfigurationNode {
    var reader = JSONReader(bytes, file: file)
    // A byte order mark is not JSON, but editors write it and RFC 8259 lets a reader skip it.
    if bytes.count >= 3, bytes[0] == 0xef, bytes[1] == 0xbb, bytes[2] == 0xbf { reader.index = 3 }
    reader.skipSpace()
    let node = try reader.value(depth: 1)
    reader.skipSpace()
    guard reader.index == bytes.count else {
      throw reader.failure("text after the end of the value")
    }
    return node
  }

  private func failure(_ message: String) -> Failure {
    Failure(line: line, message: "not JSON: \(message)")
  }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d {
      if byte == 0x0a { line += 1 }
      index += 1
    }
  }

  private mutating func value(depth: Int) throws(Failure) -> ConfigurationNode {
    guard depth <= ReadingLimits.depth else {
      throw Failure(line: line, message: "nested more than \(ReadingLimits.depth) levels deep")
    }
    nodes += 1
    guard nodes <= ReadingLimits.nodes else {
      throw Failure(line: line, message: "more than \(ReadingLimits.nodes) values")
    }
    let position = SourcePosition(file: file, line: line)
    switch next {
    case UInt8(ascii: "{"): return try object(at: position, depth: depth)
    case UInt8(ascii: "["): return try array(at: position, depth: depth)
    case UInt8(ascii: "\""): return .text(try string(), at: position)
    case nil: throw failure("the text ends where a value should stand")
    default:
      let start = index
      while let byte = next, Self.isWord(byte) { index += 1 }
      let word = String(decoding: bytes[start..<index], as: UTF8.self)
      if word == "null" { return ConfigurationNode(.null, at: position) }
      guard word == "true" || word == "false" || Self.isNumber(word) else {
        throw failure("expected a value, found `\(word.isEmpty ? Self.shown(next) : word)`")
      }
      return ConfigurationNode(.scalar(.init(text: word, isQuoted: false)), at: position)
    }
  }

  private mutating func object(at position: SourcePosition, depth: Int) throws(Failure)
    -> ConfigurationNode
  {
    var entries: [ConfigurationNode.Entry] = []
    index += 1
    skipSpace()
    if next == UInt8(ascii: "}") {
      index += 1
      return ConfigurationNode(.mapping([]), at: position)
    }
    while true {
      guard next == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
      let keyPosition = SourcePosition(file: file, line: line)
      let key = try string()
      skipSpace()
      guard next == UInt8(ascii: ":") else {
        throw failure("expected `:` after the key \"\(key)\"")
      }
      index += 1
      skipSpace()
      entries.append(.init(key: key, position: keyPosition, value: try value(depth: depth + 1)))
      if try listEnds(with: UInt8(ascii: "}")) { break }
    }
    return ConfigurationNode(.mapping(entries), at: position)
  }

  private mutating func array(at position: SourcePosition, depth: Int) throws(Failure)
    -> ConfigurationNode
  {
    var elements: [ConfigurationNode] = []
    index += 1
    skipSpace()
    if next == UInt8(ascii: "]") {
      index += 1
      return ConfigurationNode(.sequence([]), at: position)
    }
    while true {
      elements.append(try value(depth: depth + 1))
      if try listEnds(with: UInt8(ascii: "]")) { break }
    }
    return ConfigurationNode(.sequence(elements), at: position)
  }

  /// Past a comma: false. Past the closing bracket: true.
  private mutating func listEnds(with close: UInt8) throws(Failure) -> Bool {
    skipSpace()
    guard let byte = next, byte == UInt8(ascii: ",") || byte == close else {
      throw failure(
        "expected `,` or `\(Self.shown(close))`, found \(next.map { "`\(Self.shown($0))`" } ?? "the end")"
      )
    }
    index += 1
    skipSpace()
    return byte == close
  }

  private mutating func string() throws(Failure) -> String {
    index += 1
    var text: [UInt8] = []
    while let byte = next {
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw failure("not UTF-8 text")
        }
        return string
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw failure("a control character in a string must be escaped")
      default: text.append(byte)
      }
    }
    throw failure("a string does not end")
  }

  private mutating func escape(into text: inout [UInt8]) throws(Failure) {
    guard let byte = next else { throw failure("a string does not end") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var units = [try unit()]
      if units[0] & 0xfc00 == 0xd800 {
        guard index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\\"),
          bytes[index + 1] == UInt8(ascii: "u")
        else { throw failure("half of a surrogate pair") }
        index += 2
        units.append(try unit())
      }
      guard let character = String(validating: units, as: UTF16.self) else {
        throw failure("half of a surrogate pair")
      }
      text.append(contentsOf: character.utf8)
    default: throw failure("the escape \\\(Self.shown(byte)) is unknown")
    }
  }

  private mutating func unit() throws(Failure) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = next, byte < 0x80, let digit = Character(UnicodeScalar(byte)).hexDigitValue
      else {
        throw failure("\\u takes four hexadecimal digits")
      }
      unit = unit << 4 | UInt16(digit)
      index += 1
    }
    return unit
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }

  /// RFC 8259 section 6: no leading zero, no plus, digits on both sides of the point.
  private static func isNumber(_ word: String) -> Bool {
    var rest = Array(word.utf8)[...]
    func digits() -> Int {
      let count = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }.count
      rest = rest.dropFirst(count)
      return count
    }
    if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    let leadingZero = rest.first == 0x30
    let whole = digits()
    guard whole > 0, !(leadingZero && whole > 1) else { return false }
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      guard digits() > 0 else { return false }
    }
    if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
      rest = rest.dropFirst()
      if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") {
        rest = rest.dropFirst()
      }
      guard digits() > 0 else { return false }
    }
    return rest.isEmpty
  }

  private static func shown(_ byte: UInt8?) -> String {
    guard let byte else { return "the end" }
    return byte >= 0x20 && byte < 0x7f ? String(UnicodeScalar(byte)) : "byte \(byte)"
  }
}
