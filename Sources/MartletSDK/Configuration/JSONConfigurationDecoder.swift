// `Decodable` over JSONValue, stricter than usual: a field that the type never asked for is an
// error, since a misspelt option must not be ignored in silence. Errors carry the field's path.

enum JSONConfigurationDecoder {
  static func decode<Message: Decodable>(_ type: Message.Type, from bytes: [UInt8]) throws -> Message {
    // A filter that stands in a chain without a configuration has an empty one.
    let value = bytes.isEmpty ? .object([]) : try JSONValue(parsing: bytes)
    let node = JSONNode(value, path: "")
    do {
      let message = try Message(from: JSONDecoderAt(node: node))
      try node.requireAllUsed()
      return message
    } catch let error as DecodingError {
      throw ConfigurationError(error)
    }
  }
}

extension ConfigurationError {
  /// What our containers do not throw themselves: the `init(from:)` of a type of the author's.
  init(_ error: DecodingError) {
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
      .dataCorrupted(let context):
      self.init(context.debugDescription, at: JSONNode.text(of: context.codingPath))
    @unknown default: self.init("\(error)")
    }
  }
}

/// A value in its place, and which of its fields were asked for.
private final class JSONNode {
  let value: JSONValue
  let path: String
  private var children: [String: JSONNode] = [:]
  private var elements: [JSONNode] = []
  private var wasRead = false

  init(_ value: JSONValue, path: String) {
    self.value = value
    self.path = path
  }

  /// Nil: there is no such field.
  func child(_ key: String) -> JSONNode? {
    guard case .object(let fields) = value, let field = fields.first(where: { $0.key == key }) else {
      return nil
    }
    if let known = children[key] { return known }
    let child = JSONNode(field.value, path: path.isEmpty ? key : "\(path).\(key)")
    children[key] = child
    return child
  }

  func element(_ index: Int) -> JSONNode {
    guard case .array(let values) = value else { preconditionFailure("not a list") }
    while elements.count <= index {
      elements.append(JSONNode(values[elements.count], path: "\(path)[\(elements.count)]"))
    }
    return elements[index]
  }

  /// The fields of an object, which counts as read.
  func object() throws -> [JSONValue.Field] {
    guard case .object(let fields) = value else { throw mismatch("an object") }
    wasRead = true
    return fields
  }

  func array() throws -> [JSONValue] {
    guard case .array(let values) = value else { throw mismatch("a list") }
    wasRead = true
    return values
  }

  func requireAllUsed() throws {
    guard wasRead else { return }
    if case .object(let fields) = value {
      for field in fields where children[field.key] == nil {
        throw ConfigurationError(
          "there is no such field", at: path.isEmpty ? field.key : "\(path).\(field.key)")
      }
    }
    for child in children.values { try child.requireAllUsed() }
    for element in elements { try element.requireAllUsed() }
  }

  func mismatch(_ expected: String) -> ConfigurationError {
    ConfigurationError("expected \(expected), found \(value.kind)", at: path)
  }

  static func text(of codingPath: [any CodingKey]) -> String {
    var text = ""
    for key in codingPath {
      if let index = key.intValue {
        text += "[\(index)]"
      } else {
        text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
      }
    }
    return text
  }

  // MARK: scalars

  func boolean() throws -> Bool {
    guard case .boolean(let value) = value else { throw mismatch("true or false") }
    return value
  }

  func string() throws -> String {
    guard case .string(let value) = value else { throw mismatch("text") }
    return value
  }

  /// Whole numbers also as text, as protobuf's JSON writes those of 64 bits.
  func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
    let text: String
    switch value {
    case .number(let number): text = number
    case .string(let string): text = string
    default: throw mismatch("a whole number")
    }
    if let number = Number(text) { return number }
    if let number = Double(text), let whole = Number(exactly: number) { return whole }
    throw ConfigurationError(
      "expected a whole number from \(Number.min) to \(Number.max), found \(text)", at: path)
  }

  func floatingPoint<Number: BinaryFloatingPoint & LosslessStringConvertible>(
    _ type: Number.Type
  ) throws -> Number {
    guard case .number(let text) = value, let number = Number(text) else { throw mismatch("a number") }
    return number
  }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    try Value(from: JSONDecoderAt(node: self))
  }
}

private struct PathKey: CodingKey {
  let stringValue: String
  let intValue: Int?
  init(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }
  init(intValue: Int) {
    stringValue = "\(intValue)"
    self.intValue = intValue
  }
}

private struct JSONDecoderAt: Decoder {
  let node: JSONNode
  /// One key with the whole path: all that `ConfigurationError` reads of it.
  var codingPath: [any CodingKey] {
    node.path.isEmpty ? [] : [PathKey(stringValue: node.path)]
  }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(JSONKeyed<Key>(node: node, fields: try node.object()))
  }
  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    JSONUnkeyed(node: node, count: try node.array().count)
  }
  func singleValueContainer() throws -> any SingleValueDecodingContainer { JSONSingle(node: node) }
}

private struct JSONKeyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let node: JSONNode
  let fields: [JSONValue.Field]
  var codingPath: [any CodingKey] { JSONDecoderAt(node: node).codingPath }
  var allKeys: [Key] { fields.compactMap { Key(stringValue: $0.key) } }

  private func at(_ key: some CodingKey) throws -> JSONNode {
    guard let child = node.child(key.stringValue) else {
      let path = node.path.isEmpty ? key.stringValue : "\(node.path).\(key.stringValue)"
      throw ConfigurationError("a value is required", at: path)
    }
    return child
  }

  func contains(_ key: Key) -> Bool { node.child(key.stringValue) != nil }
  func decodeNil(forKey key: Key) throws -> Bool { try at(key).value == .null }
  func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try at(key).boolean() }
  func decode(_ type: String.Type, forKey key: Key) throws -> String { try at(key).string() }
  func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try at(key).floatingPoint(type) }
  func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try at(key).floatingPoint(type) }
  func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try at(key).integer(type) }
  func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try at(key).integer(type) }
  func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try at(key).integer(type) }
  func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try at(key).integer(type) }
  func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try at(key).integer(type) }
  func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try at(key).integer(type) }
  func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try at(key).integer(type) }
  func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try at(key).integer(type) }
  func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try at(key).integer(type) }
  func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try at(key).integer(type) }
  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    try at(key).decode(type)
  }
  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> {
    try JSONDecoderAt(node: at(key)).container(keyedBy: type)
  }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try JSONDecoderAt(node: at(key)).unkeyedContainer()
  }
  func superDecoder() throws -> any Decoder { JSONDecoderAt(node: node) }
  func superDecoder(forKey key: Key) throws -> any Decoder { JSONDecoderAt(node: try at(key)) }
}

private struct JSONUnkeyed: UnkeyedDecodingContainer {
  let node: JSONNode
  let count: Int?
  var currentIndex = 0
  var codingPath: [any CodingKey] { JSONDecoderAt(node: node).codingPath }
  var isAtEnd: Bool { currentIndex >= count ?? 0 }

  init(node: JSONNode, count: Int) {
    self.node = node
    self.count = count
  }

  private mutating func next() throws -> JSONNode {
    guard !isAtEnd else {
      throw ConfigurationError("a value is required", at: "\(node.path)[\(currentIndex)]")
    }
    defer { currentIndex += 1 }
    return node.element(currentIndex)
  }

  mutating func decodeNil() throws -> Bool {
    guard !isAtEnd, node.element(currentIndex).value == .null else { return false }
    currentIndex += 1
    return true
  }
  mutating func decode(_ type: Bool.Type) throws -> Bool { try next().boolean() }
  mutating func decode(_ type: String.Type) throws -> String { try next().string() }
  mutating func decode(_ type: Double.Type) throws -> Double { try next().floatingPoint(type) }
  mutating func decode(_ type: Float.Type) throws -> Float { try next().floatingPoint(type) }
  mutating func decode(_ type: Int.Type) throws -> Int { try next().integer(type) }
  mutating func decode(_ type: Int8.Type) throws -> Int8 { try next().integer(type) }
  mutating func decode(_ type: Int16.Type) throws -> Int16 { try next().integer(type) }
  mutating func decode(_ type: Int32.Type) throws -> Int32 { try next().integer(type) }
  mutating func decode(_ type: Int64.Type) throws -> Int64 { try next().integer(type) }
  mutating func decode(_ type: UInt.Type) throws -> UInt { try next().integer(type) }
  mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try next().integer(type) }
  mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try next().integer(type) }
  mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try next().integer(type) }
  mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try next().integer(type) }
  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    try next().decode(type)
  }
  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> {
    try JSONDecoderAt(node: next()).container(keyedBy: type)
  }
  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try JSONDecoderAt(node: next()).unkeyedContainer()
  }
  mutating func superDecoder() throws -> any Decoder { JSONDecoderAt(node: try next()) }
}

private struct JSONSingle: SingleValueDecodingContainer {
  let node: JSONNode
  var codingPath: [any CodingKey] { JSONDecoderAt(node: node).codingPath }

  func decodeNil() -> Bool { node.value == .null }
  func decode(_ type: Bool.Type) throws -> Bool { try node.boolean() }
  func decode(_ type: String.Type) throws -> String { try node.string() }
  func decode(_ type: Double.Type) throws -> Double { try node.floatingPoint(type) }
  func decode(_ type: Float.Type) throws -> Float { try node.floatingPoint(type) }
  func decode(_ type: Int.Type) throws -> Int { try node.integer(type) }
  func decode(_ type: Int8.Type) throws -> Int8 { try node.integer(type) }
  func decode(_ type: Int16.Type) throws -> Int16 { try node.integer(type) }
  func decode(_ type: Int32.Type) throws -> Int32 { try node.integer(type) }
  func decode(_ type: Int64.Type) throws -> Int64 { try node.integer(type) }
  func decode(_ type: UInt.Type) throws -> UInt { try node.integer(type) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try node.integer(type) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try node.integer(type) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try node.integer(type) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try node.integer(type) }
  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try node.decode(type) }
}
