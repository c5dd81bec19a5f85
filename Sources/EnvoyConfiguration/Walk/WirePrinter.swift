// Reads what `WireWriter` wrote, by the descriptors, into the protobuf JSON mapping. The bytes are our
// own; what cannot be read is left out.

struct WirePrinter {
  let store: SchemaStore
  var plugins: PluginSchemas?

  /// One field's occurrence.
  private enum Payload {
    case integer(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    case bytes(ArraySlice<UInt8>)
  }

  typealias Value = ConfigurationDump.Value

  func message(_ bytes: ArraySlice<UInt8>, _ schema: MessageSchema) -> Value {
    var found: [Int: [Payload]] = [:]
    // Which member of a oneof came last: it is the one that stands.
    var chosen: [Int: Int] = [:]
    var reader = WireReader(bytes)
    while let (number, payload) = reader.next() {
      guard let field = schema.fields.first(where: { $0.number == number }) else { continue }
      if let oneof = field.oneof { chosen[oneof] = number }
      found[number, default: []].append(payload)
    }
    var fields: [ConfigurationDump.Field] = []
    for field in schema.fields.sorted(by: { $0.number < $1.number }) {
      guard let payloads = found[field.number] else { continue }
      if let oneof = field.oneof, chosen[oneof] != field.number { continue }
      guard let value = value(payloads, field) else { continue }
      fields.append(.init(name: field.name, value: value))
    }
    return .fields(fields)
  }

  /// Nil for what the mapping leaves out: a scalar at its default that is no choice of a oneof.
  private func value(_ payloads: [Payload], _ field: FieldSchema) -> Value? {
    if field.isRepeated {
      if case .message(let name) = field.kind, let entry = store.message(name), entry.isMapEntry {
        return map(payloads, entry)
      }
      return .list(payloads.compactMap { single([$0], field.kind) })
    }
    guard let value = single(payloads, field.kind) else { return nil }
    return field.oneof == nil && isDefault(value, field) ? nil : value
  }

  private func isDefault(_ value: Value, _ field: FieldSchema) -> Bool {
    if case .message = field.kind { return false }
    switch value {
    case .bool(false), .integer(0), .number(0), .string(""), .string("0"): return true
    case .string(let text):
      guard case .enumeration(let name) = field.kind else { return false }
      return store.enumeration(name).values.first { $0.number == 0 }?.name == text
    default: return false
    }
  }

  private func map(_ payloads: [Payload], _ entry: MessageSchema) -> Value {
    guard let key = entry.field(named: "key"), let valueField = entry.field(named: "value") else {
      return .fields([])
    }
    var fields: [ConfigurationDump.Field] = []
    for payload in payloads {
      guard case .bytes(let bytes) = payload else { continue }
      var reader = WireReader(bytes)
      var name = ""
      var inner: [Payload] = []
      while let (number, payload) = reader.next() {
        if number == key.number, case .bytes(let text) = payload {
          name = String(decoding: text, as: UTF8.self)
        } else if number == valueField.number {
          inner.append(payload)
        }
      }
      let value = single(inner, valueField.kind) ?? .null
      // A later entry of a key replaces an earlier one.
      fields.removeAll { $0.name == name }
      fields.append(.init(name: name, value: value))
    }
    return .fields(fields.sorted { $0.name < $1.name })
  }

  /// The last of the occurrences; those of a message are one message.
  private func single(_ payloads: [Payload], _ kind: FieldSchema.Kind) -> Value? {
    guard let last = payloads.last else { return nil }
    switch (kind, last) {
    case (.message(let name), _): return nested(payloads, name)
    case (.string, .bytes(let bytes)): return .string(String(decoding: bytes, as: UTF8.self))
    case (.bytes, .bytes(let bytes)): return .string(SchemaWalker.base64(bytes))
    case (.bool, .integer(let value)): return .bool(value != 0)
    case (.enumeration(let name), .integer(let value)):
      let known = store.enumeration(name).values.first {
        UInt64(bitPattern: Int64($0.number)) == value
      }
      return .string(known?.name ?? "\(value)")
    // 64-bit numbers are text in the mapping.
    case (.int64, .integer(let value)): return .string("\(Int64(bitPattern: value))")
    case (.uint64, .integer(let value)): return .string("\(value)")
    case (.int32, .integer(let value)): return .number(Double(Int64(bitPattern: value)))
    case (.uint32, .integer(let value)): return .integer(value)
    case (.double, .fixed64(let bits)): return .number(Double(bitPattern: bits))
    case (.float, .fixed32(let bits)): return .number(Double(Float(bitPattern: bits)))
    default: return nil
    }
  }

  private func nested(_ payloads: [Payload], _ name: String) -> Value {
    let bytes = payloads.flatMap { payload in
      if case .bytes(let bytes) = payload { return Array(bytes) }
      return []
    }[...]
    switch name {
    case "google.protobuf.Duration": return duration(bytes)
    case "google.protobuf.Any": return any(bytes)
    case "google.protobuf.Struct": return structure(bytes)
    case "google.protobuf.Value": return structureValue(bytes)
    default:
      let schema = store.required(name)
      let isWrapper =
        name.hasPrefix("google.protobuf.") && name.hasSuffix("Value")
        && schema.fields.map(\.name) == ["value"]
      guard isWrapper, let field = schema.fields.first else { return message(bytes, schema) }
      var reader = WireReader(bytes)
      var found: [Payload] = []
      while let (_, payload) = reader.next() { found.append(payload) }
      return single(found, field.kind) ?? .null
    }
  }

  private func duration(_ bytes: ArraySlice<UInt8>) -> Value {
    var reader = WireReader(bytes)
    var seconds: Int64 = 0
    var nanos: Int64 = 0
    while let (number, payload) = reader.next() {
      guard case .integer(let value) = payload else { continue }
      if number == 1 { seconds = Int64(bitPattern: value) } else { nanos = Int64(bitPattern: value) }
    }
    guard nanos != 0 else { return .string("\(seconds)s") }
    var fraction = String(String(1_000_000_000 + nanos).dropFirst())
    // Three, six or nine digits, as the mapping writes them.
    while fraction.hasSuffix("000") { fraction.removeLast(3) }
    return .string("\(seconds).\(fraction)s")
  }

  private func any(_ bytes: ArraySlice<UInt8>) -> Value {
    var reader = WireReader(bytes)
    var url = ""
    var inner: [UInt8] = []
    while let (number, payload) = reader.next() {
      guard case .bytes(let bytes) = payload else { continue }
      if number == 1 { url = String(decoding: bytes, as: UTF8.self) } else { inner += bytes }
    }
    if url.hasPrefix(PluginSchemas.prefix) { return plugin(url, inner) }
    let type = ConfigurationDump.Field(name: "@type", value: .string(url))
    guard let schema = store.message(String(SchemaWalker.typeName(of: url))),
      case .fields(let fields) = message(inner[...], schema)
    else { return .fields([type]) }
    return .fields([type] + fields)
  }

  /// What the walk made for a plugin.
  private func plugin(_ url: String, _ inner: [UInt8]) -> Value {
    let parts = url.dropFirst(PluginSchemas.prefix.count).split(
      separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3 else { return .null }
    let name = parts[2].isEmpty ? "google.protobuf.Struct" : parts[2]
    let type = ConfigurationDump.Field(name: "@type", value: .string("type.googleapis.com/\(name)"))
    var content = Value.fields([])
    if parts[0] == "json" {
      let tree = try? inner.withUnsafeBytes { try JSONReader.read($0, file: 0) }
      if let tree { content = value(tree) }
      if parts[2].isEmpty { return .fields([type, .init(name: "value", value: content)]) }
    } else if let filter = plugins?.filter(name: String(parts[1]), kind: .http)
      ?? plugins?.filter(name: String(parts[1]), kind: .network)
      ?? plugins?.filter(name: String(parts[1]), kind: .formatter),
      let (schema, store) = try? plugins?.schema(parts[2], of: filter)
    {
      content = WirePrinter(store: store).message(inner[...], schema)
    }
    guard case .fields(let fields) = content else { return .fields([type]) }
    return .fields([type] + fields)
  }

  private func value(_ node: ConfigurationNode) -> Value {
    switch node.content {
    case .null: return .null
    case .sequence(let elements): return .list(elements.map { value($0) })
    case .mapping(let entries): return .fields(entries.map { .init(name: $0.key, value: value($0.value)) })
    case .scalar(let scalar):
      if scalar.isQuoted { return .string(scalar.text) }
      if let flag = YAMLScalar.boolean(scalar.text) { return .bool(flag) }
      return Double(scalar.text).map { .number($0) } ?? .string(scalar.text)
    }
  }

  private func structure(_ bytes: ArraySlice<UInt8>) -> Value {
    var reader = WireReader(bytes)
    var fields: [ConfigurationDump.Field] = []
    while let (_, payload) = reader.next() {
      guard case .bytes(let entry) = payload else { continue }
      var pair = WireReader(entry)
      var name = ""
      var value = Value.null
      while let (number, payload) = pair.next() {
        guard case .bytes(let bytes) = payload else { continue }
        if number == 1 {
          name = String(decoding: bytes, as: UTF8.self)
        } else {
          value = structureValue(bytes)
        }
      }
      fields.removeAll { $0.name == name }
      fields.append(.init(name: name, value: value))
    }
    return .fields(fields)
  }

  /// `google.protobuf.Value`.
  private func structureValue(_ bytes: ArraySlice<UInt8>) -> Value {
    var reader = WireReader(bytes)
    guard let (number, payload) = reader.next() else { return .null }
    switch (number, payload) {
    case (2, .fixed64(let bits)): return .number(Double(bitPattern: bits))
    case (3, .bytes(let text)): return .string(String(decoding: text, as: UTF8.self))
    case (4, .integer(let value)): return .bool(value != 0)
    case (5, .bytes(let inner)): return structure(inner)
    case (6, .bytes(let inner)):
      var list = WireReader(inner)
      var elements: [Value] = []
      while let (_, payload) = list.next() {
        if case .bytes(let bytes) = payload { elements.append(structureValue(bytes)) }
      }
      return .list(elements)
    default: return .null
    }
  }

  /// Fields one after the other.
  private struct WireReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() -> (number: Int, payload: Payload)? {
      guard let tag = varint() else { return nil }
      let number = Int(truncatingIfNeeded: tag >> 3)
      switch tag & 7 {
      case 0: return varint().map { (number, .integer($0)) }
      case 1: return fixed(8).map { (number, .fixed64($0)) }
      case 2:
        guard let length = varint(), length <= UInt64(rest.count) else { return nil }
        defer { rest = rest.dropFirst(Int(length)) }
        return (number, .bytes(rest.prefix(Int(length))))
      case 5: return fixed(4).map { (number, .fixed32(UInt32(truncatingIfNeeded: $0))) }
      default: return nil
      }
    }

    private mutating func varint() -> UInt64? {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while let byte = rest.popFirst() {
        value |= UInt64(byte & 0x7f) << shift
        if byte & 0x80 == 0 { return value }
        shift += 7
        if shift > 63 { return nil }
      }
      return nil
    }

    private mutating func fixed(_ count: Int) -> UInt64? {
      guard rest.count >= count else { return nil }
      var value: UInt64 = 0
      for (index, byte) in rest.prefix(count).enumerated() { value |= UInt64(byte) << UInt64(8 * index) }
      rest = rest.dropFirst(count)
      return value
    }
  }
}
