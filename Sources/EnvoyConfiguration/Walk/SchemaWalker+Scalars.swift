// Scalars of the protobuf JSON mapping: text, bytes, booleans, numbers, enums and wrappers.

internal import Foundation

extension SchemaWalker {
  /// Writes the value of a scalar field, if it is one.
  func scalar(
    _ node: ConfigurationNode, _ kind: FieldSchema.Kind, number: Int, _ rules: Martlet_FieldRules,
    at place: Place, into writer: inout WireWriter
  ) {
    guard case .scalar(let scalar) = node.content else {
      diagnostics.error("expected \(expectation(of: kind)), found \(node.summary)", at: place)
      return
    }
    switch kind {
    case .string:
      guard let text = text(scalar, at: place), check(text: text, rules, at: place) else { return }
      writer.data(number, text.utf8)
    case .bytes:
      guard let bytes = Self.base64(scalar.text) else {
        diagnostics.error("expected base64, found \(node.summary)", at: place)
        return
      }
      guard check(bytes: bytes.count, rules, at: place) else { return }
      writer.data(number, bytes)
    case .bool:
      guard let value = boolean(scalar) else {
        diagnostics.error("expected true or false, found \(node.summary)", at: place)
        return
      }
      guard check(only: value ? "true" : "false", rules, at: place) else { return }
      writer.integer(number, value ? 1 : 0)
    case .int32, .int64, .uint32, .uint64:
      guard let value = integer(scalar, kind, rules, at: place) else { return }
      writer.integer(number, value)
    case .double, .float:
      guard let value = YAMLScalar.decimal(scalar.text), value.isFinite else {
        diagnostics.error("expected a number, found \(node.summary)", at: place)
        return
      }
      guard check(value, scalar.text, rules, at: place) else { return }
      if kind == .double {
        writer.double(number, value)
      } else {
        writer.float(number, Float(value))
      }
    case .enumeration(let name):
      guard let value = enumeration(scalar, store.enumeration(name), rules, at: place) else {
        return
      }
      writer.integer(number, UInt64(bitPattern: Int64(value)))
    case .message: preconditionFailure("a message is not a scalar")
    }
  }

  /// A wrapper: its value itself, or (as Envoy's parser takes it) a mapping with `value`.
  func wrapper(
    _ node: ConfigurationNode, _ kind: FieldSchema.Kind, number: Int, _ rules: Martlet_FieldRules,
    at place: Place, into writer: inout WireWriter
  ) {
    var value = node
    if let entries = node.entries, entries.count == 1, entries[0].key == "value" {
      value = entries[0].value
    }
    var inner = WireWriter()
    scalar(value, kind, number: 1, rules, at: place, into: &inner)
    // Every value is written, also the default; nothing is there only where it was refused.
    guard !inner.bytes.isEmpty else { return }
    writer.message(number, inner)
  }

  /// Text must be quoted where YAML reads something else, so that `id: no` cannot become "no"
  /// here and false elsewhere.
  private func text(_ scalar: ConfigurationNode.Scalar, at place: Place) -> String? {
    guard !scalar.isQuoted else { return scalar.text }
    let reading: String
    if YAMLScalar.boolean(scalar.text) != nil {
      reading = "a boolean"
    } else if YAMLScalar.isSmallInteger(scalar.text) {
      reading = "a number"
    } else {
      return scalar.text
    }
    diagnostics.error(
      "expected text, but `\(scalar.text)` is \(reading) in YAML; write it in quotes: \"\(scalar.text)\"",
      at: place)
    return nil
  }

  private func boolean(_ scalar: ConfigurationNode.Scalar) -> Bool? {
    // A quoted boolean is what protobuf's parser takes and no other word.
    if scalar.isQuoted {
      return scalar.text == "true" ? true : scalar.text == "false" ? false : nil
    }
    return YAMLScalar.boolean(scalar.text)
  }

  /// The value as it stands in a varint.
  private func integer(
    _ scalar: ConfigurationNode.Scalar, _ kind: FieldSchema.Kind, _ rules: Martlet_FieldRules,
    at place: Place
  ) -> UInt64? {
    let number: YAMLScalar.Integer
    switch YAMLScalar.integer(scalar.text, isQuoted: scalar.isQuoted) {
    case .number(let value): number = value
    case .badOctal:
      diagnostics.error(
        "expected \(expectation(of: kind)), but `\(scalar.text)` begins like an octal number; "
          + "leave out the zero",
        at: place)
      return nil
    case .notANumber:
      diagnostics.error("expected \(expectation(of: kind)), found \(shown(scalar))", at: place)
      return nil
    }
    if number.isOctal, !rules.octal, number.magnitude > 7 {
      diagnostics.warning(
        "`\(scalar.text)` is octal in YAML 1.1 and means \(number.magnitude) here, as in Envoy",
        at: place)
    }
    let range = Self.range(of: kind)
    let fits: Bool =
      number.isNegative
      ? number.magnitude <= range.below && !number.overflows
      : number.magnitude <= range.above && !number.overflows
    guard fits else {
      diagnostics.error("expected \(expectation(of: kind)), found \(shown(scalar))", at: place)
      return nil
    }
    guard check(number, rules, at: place) else { return nil }
    return number.isNegative ? 0 &- number.magnitude : number.magnitude
  }

  /// The largest magnitudes below and above zero.
  private static func range(of kind: FieldSchema.Kind) -> (below: UInt64, above: UInt64) {
    switch kind {
    case .int32: (1 << 31, 1 << 31 - 1)
    case .int64: (1 << 63, 1 << 63 - 1)
    case .uint32: (0, 1 << 32 - 1)
    default: (0, .max)
    }
  }

  private func enumeration(
    _ scalar: ConfigurationNode.Scalar, _ schema: EnumerationSchema, _ rules: Martlet_FieldRules,
    at place: Place
  ) -> Int32? {
    // Envoy's parser compares without case, and takes `-` for `_`.
    let wanted = scalar.text.uppercased().replacing("-", with: "_")
    var found = schema.values.first { $0.name.uppercased() == wanted }
    if found == nil, case .number(let number) = YAMLScalar.integer(scalar.text, isQuoted: false),
      !number.overflows
    {
      found = schema.values.first {
        !number.isNegative && UInt64(max(0, $0.number)) == number.magnitude
      }
    }
    guard let found else {
      let names = schema.values.filter { $0.refused == nil }.map(\.name)
      let near = Suggestion.nearest(to: wanted, among: names).map { "; did you mean \($0)?" } ?? ""
      diagnostics.error(
        "expected one of \(names.joined(separator: ", ")), found \(shown(scalar))\(near)", at: place
      )
      return nil
    }
    if let reason = found.refused {
      diagnostics.error("`\(found.name)` is not supported: \(reason)", at: place)
      return nil
    }
    guard check(only: found.name, rules, at: place) else { return nil }
    return found.number
  }

  func shown(_ scalar: ConfigurationNode.Scalar) -> String {
    ConfigurationNode(.scalar(scalar), at: SourcePosition(file: 0, line: 0)).summary
  }

  /// Standard or URL-safe, with or without padding, as the protobuf JSON mapping takes it.
  private static func base64(_ text: String) -> [UInt8]? {
    var standard = text.replacing("-", with: "+").replacing("_", with: "/")
    while standard.utf8.count % 4 != 0 { standard += "=" }
    guard standard.utf8.count < text.utf8.count + 3 || text.isEmpty else { return nil }
    return Data(base64Encoded: standard).map(Array.init)
  }

  /// As the protobuf JSON mapping writes it.
  static func base64(_ bytes: some Collection<UInt8>) -> String { Data(bytes).base64EncodedString() }

  func expectation(of field: FieldSchema) -> String {
    if let wrapped = field.wrapped { return expectation(of: wrapped) }
    return expectation(of: field.kind)
  }

  func expectation(of kind: FieldSchema.Kind) -> String {
    switch kind {
    case .string: "text"
    case .bytes: "base64"
    case .bool: "true or false"
    case .int32: "a whole number from -2147483648 to 2147483647"
    case .int64: "a whole number of 64 bits"
    case .uint32: "a whole number from 0 to 4294967295"
    case .uint64: "a whole number from 0 to 18446744073709551615"
    case .double, .float: "a number"
    case .enumeration(let name):
      "one of \(store.enumeration(name).values.map(\.name).joined(separator: ", "))"
    case .message("google.protobuf.Duration"): "a duration such as 5s or 0.25s"
    case .message("google.protobuf.Struct"): "a mapping"
    case .message("google.protobuf.Value"): "a value of any kind"
    case .message(let name): "a mapping with the fields of \(name.split(separator: ".").last ?? "")"
    }
  }
}
