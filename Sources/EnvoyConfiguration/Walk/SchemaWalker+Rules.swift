// The constraints of martlet/annotations.proto on values that are present. What is absent is
// the presence check's business, after all files are merged.

extension SchemaWalker {
  func check(text: String, _ rules: Martlet_FieldRules, at place: Place) -> Bool {
    if text.isEmpty, rules.ignoreEmpty { return true }
    // protoc-gen-validate counts code points.
    let length = UInt64(text.unicodeScalars.count)
    if rules.hasMinLength, length < rules.minLength {
      diagnostics.error(
        length == 0 ? "must not be empty" : "must have \(rules.minLength) characters or more",
        at: place)
      return false
    }
    if rules.hasMaxLength, length > rules.maxLength {
      diagnostics.error(
        "must have \(rules.maxLength) characters or fewer, not \(length)", at: place)
      return false
    }
    if !rules.prefix.isEmpty, !text.hasPrefix(rules.prefix) {
      diagnostics.error("must begin with `\(rules.prefix)`", at: place)
      return false
    }
    if !rules.oneOf.isEmpty, !rules.oneOf.contains(text) {
      diagnostics.error(
        "expected one of \(rules.oneOf.map { "\"\($0)\"" }.joined(separator: ", ")), found \"\(text)\"",
        at: place)
      return false
    }
    if rules.header != .any, text.utf8.contains(where: { $0 == 0 || $0 == 0x0a || $0 == 0x0d }) {
      diagnostics.error("must not contain NUL, carriage return or line feed", at: place)
      return false
    }
    return check(only: text, rules, at: place)
  }

  func check(bytes count: Int, _ rules: Martlet_FieldRules, at place: Place) -> Bool {
    if rules.hasMinLength, UInt64(count) < rules.minLength {
      diagnostics.error("must have \(rules.minLength) bytes or more, not \(count)", at: place)
      return false
    }
    if rules.hasMaxLength, UInt64(count) > rules.maxLength {
      diagnostics.error("must have \(rules.maxLength) bytes or fewer, not \(count)", at: place)
      return false
    }
    return true
  }

  func check(_ number: YAMLScalar.Integer, _ rules: Martlet_FieldRules, at place: Place) -> Bool {
    // Beyond Int64 only a lower bound can hold.
    let value =
      number.isNegative
      ? Int64(truncatingIfNeeded: 0 &- number.magnitude)
      : Int64(clamping: number.magnitude)
    if rules.hasAtLeast, value < rules.atLeast {
      diagnostics.error(
        Self.bounds(rules) + ", found \(number.isNegative ? "-" : "")\(number.magnitude)", at: place
      )
      return false
    }
    if rules.hasAtMost, value > rules.atMost {
      diagnostics.error(Self.bounds(rules) + ", found \(number.magnitude)", at: place)
      return false
    }
    return check(only: "\(value)", rules, at: place)
  }

  func check(_ value: Double, _ text: String, _ rules: Martlet_FieldRules, at place: Place) -> Bool {
    if rules.hasAtLeast && value < Double(rules.atLeast)
      || rules.hasAtMost && value > Double(rules.atMost)
    {
      diagnostics.error(Self.bounds(rules) + ", found \(text)", at: place)
      return false
    }
    // 1.0 is the 1 that a list of values means.
    let whole = Int64(exactly: value).map { "\($0)" }
    return check(only: whole ?? text, rules, at: place)
  }

  func check(only value: String, _ rules: Martlet_FieldRules, at place: Place) -> Bool {
    guard !rules.only.isEmpty, !rules.only.contains(value) else { return true }
    diagnostics.error(
      "`\(value)` is not supported (only \(rules.only.joined(separator: ", "))): \(rules.why)",
      at: place)
    return false
  }

  /// "expected a number from 1 to 5", as far as the bounds are given.
  private static func bounds(_ rules: Martlet_FieldRules) -> String {
    switch (rules.hasAtLeast, rules.hasAtMost) {
    case (true, true): "expected a number from \(rules.atLeast) to \(rules.atMost)"
    case (true, false): "expected \(rules.atLeast) or more"
    default: "expected \(rules.atMost) or less"
    }
  }
}
