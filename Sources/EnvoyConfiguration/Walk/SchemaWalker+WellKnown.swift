// Google's well-known types in the protobuf JSON mapping: Duration, Struct and Value.

extension SchemaWalker {
  /// `5s`, `0.25s`; also a mapping with `seconds` and `nanos`, which Envoy's parser takes.
  func duration(_ node: ConfigurationNode, _ rules: Martlet_FieldRules, at place: Place)
    -> WireWriter?
  {
    var seconds: Int64 = 0
    var nanos: Int64 = 0
    if node.entries != nil {
      let writer = message(node, store.required("google.protobuf.Duration"), at: place)
      seconds = Self.signed(node["seconds"])
      nanos = Self.signed(node["nanos"])
      return check(seconds: seconds, nanos: nanos, rules, at: place) ? writer : nil
    }
    guard let text = node.text, let parsed = Self.parseDuration(text) else {
      diagnostics.error(
        "expected a duration in seconds such as 5s or 0.25s, found \(node.summary)", at: place)
      return nil
    }
    (seconds, nanos) = parsed
    guard check(seconds: seconds, nanos: nanos, rules, at: place) else { return nil }
    var writer = WireWriter()
    if seconds != 0 { writer.integer(1, UInt64(bitPattern: seconds)) }
    if nanos != 0 { writer.integer(2, UInt64(bitPattern: nanos)) }
    return writer
  }

  /// A whole number that the walk has checked already.
  private static func signed(_ node: ConfigurationNode?) -> Int64 {
    guard case .scalar(let scalar)? = node?.content,
      case .number(let number) = YAMLScalar.integer(scalar.text, isQuoted: scalar.isQuoted)
    else { return 0 }
    return Int64(truncatingIfNeeded: number.isNegative ? 0 &- number.magnitude : number.magnitude)
  }

  /// `-?[0-9]+(.[0-9]{1,9})?s`.
  static func parseDuration(_ text: String) -> (seconds: Int64, nanos: Int64)? {
    guard text.hasSuffix("s"), text.utf8.count <= 32 else { return nil }
    var rest = text.dropLast()
    let isNegative = rest.hasPrefix("-")
    if isNegative { rest = rest.dropFirst() }
    let parts = rest.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    func isDigits(_ part: Substring) -> Bool {
      !part.isEmpty && part.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
    }
    guard isDigits(parts[0]), let seconds = Int64(parts[0]) else { return nil }
    var nanos: Int64 = 0
    if parts.count == 2 {
      guard isDigits(parts[1]), parts[1].count <= 9, let value = Int64(parts[1]) else { return nil }
      nanos = value
      for _ in parts[1].count..<9 { nanos *= 10 }
    }
    return isNegative ? (-seconds, -nanos) : (seconds, nanos)
  }

  private func check(seconds: Int64, nanos: Int64, _ rules: Martlet_FieldRules, at place: Place)
    -> Bool
  {
    // protobuf's own range is 10000 years; nanoseconds of that do not fit 64 bits, so a bound
    // is compared in a wider type.
    guard seconds.magnitude <= 315_576_000_000, nanos.magnitude <= 999_999_999,
      seconds.signum() * nanos.signum() >= 0
    else {
      diagnostics.error(
        "a duration has at most 315576000000 seconds and 999999999 nanoseconds, of the same sign",
        at: place)
      return false
    }
    let total = Int128(seconds) * 1_000_000_000 + Int128(nanos)
    if rules.hasAtLeast, total < Int128(rules.atLeast) {
      let text =
        rules.atLeast == 1 ? "more than 0s" : "\(Self.text(nanoseconds: rules.atLeast)) or more"
      diagnostics.error("expected \(text)", at: place)
      return false
    }
    if rules.hasAtMost, total > Int128(rules.atMost) {
      diagnostics.error("expected \(Self.text(nanoseconds: rules.atMost)) or less", at: place)
      return false
    }
    // Envoy's timers take no negative time; where its rules do not say so, its code throws.
    if total < 0 {
      diagnostics.error("expected a duration of 0s or more", at: place)
      return false
    }
    return true
  }

  static func text(nanoseconds: Int64) -> String {
    let (seconds, nanos) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    guard nanos != 0 else { return "\(seconds)s" }
    var fraction = String(String(1_000_000_000 + nanos).dropFirst())
    while fraction.hasSuffix("0") { fraction.removeLast() }
    return "\(seconds).\(fraction)s"
  }

  /// A mapping of free data.
  func structure(_ node: ConfigurationNode, at place: Place) -> WireWriter {
    var writer = WireWriter()
    guard let entries = node.entries else {
      diagnostics.error("expected a mapping, found \(node.summary)", at: place)
      return writer
    }
    var seen: [String: Int] = [:]
    for entry in entries {
      if let line = seen[entry.key] {
        diagnostics.error(
          "this key is already given on line \(line)",
          at: place.beside(key: entry.key, at: entry.position))
        continue
      }
      seen[entry.key] = entry.position.line
      let entryPlace = place.enter(key: entry.key, at: entry.position)
      var pair = WireWriter()
      pair.data(1, entry.key.utf8)
      pair.message(2, structureValue(entry.value, at: entryPlace))
      writer.message(1, pair)
    }
    return writer
  }

  /// `google.protobuf.Value`, typed as Envoy types YAML that has no field.
  func structureValue(_ node: ConfigurationNode, at place: Place) -> WireWriter {
    var writer = WireWriter()
    switch node.content {
    case .null: writer.integer(1, 0)
    case .mapping: writer.message(5, structure(node, at: place))
    case .sequence(let elements):
      var list = WireWriter()
      for (index, element) in elements.enumerated() {
        list.message(
          1, structureValue(element, at: place.enter(element: index, at: element.position)))
      }
      writer.message(6, list)
    case .scalar(let scalar):
      if !scalar.isQuoted, let value = YAMLScalar.boolean(scalar.text) {
        writer.integer(4, value ? 1 : 0)
      } else if !scalar.isQuoted,
        case .number(let value) = YAMLScalar.integer(scalar.text, isQuoted: false),
        !value.overflows
      {
        writer.double(2, value.isNegative ? -Double(value.magnitude) : Double(value.magnitude))
      } else if !scalar.isQuoted, let value = YAMLScalar.decimal(scalar.text) {
        writer.double(2, value)
      } else {
        writer.data(3, scalar.text.utf8)
      }
    }
    return writer
  }
}
