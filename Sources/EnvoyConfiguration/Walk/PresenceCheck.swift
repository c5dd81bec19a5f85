// What must be there and is not: required fields, fields that must not be empty, lists with a
// least length, oneofs that must be set. It runs over the locations of all files together,
// because an overlay may bring what the file itself left out.

struct PresenceCheck {
  let store: SchemaStore
  let diagnostics: Diagnostics

  func check(_ place: Place) {
    // Where the message itself was refused, its fields are not missing.
    if place.isRefused, place.givenCount == 0 { return }
    guard let schema = place.location?.schema else {
      for index in 0..<place.count { check(place.element(index)) }
      for key in place.keys { check(place.key(key)) }
      return
    }
    for oneof in schema.oneofs where oneof.isRequired {
      guard !oneof.fields.contains(where: { place.field($0.name).exists }) else { continue }
      defer { place.markMissing(oneof.fields.map(\.name)) }
      // The field that was refused, or the one that was mistyped, may be the one of these.
      if place.hasRefusedField || oneof.fields.contains(where: { place.isMissing($0.name) }) {
        continue
      }
      let names = oneof.fields.map { "`\($0.name)`" }
      diagnostics.error(
        names.count == 1
          ? "\(names[0]) is required" : "one of \(names.joined(separator: ", ")) is required",
        at: place)
    }
    for field in schema.fields {
      let fieldPlace = place.field(field.name)
      if fieldPlace.exists {
        checkCount(field, fieldPlace)
        check(fieldPlace)
      } else if !place.isMissing(field.name) {
        checkAbsent(field, fieldPlace, choice: place.hasRefusedField)
      }
    }
  }

  private func checkCount(_ field: FieldSchema, _ place: Place) {
    guard field.isRepeated, !place.isRefused || place.givenCount > place.count else { return }
    let count = UInt64(max(place.givenCount, place.keys.count))
    if field.rules.hasMinItems, count < field.rules.minItems {
      diagnostics.error(
        "expected \(field.rules.minItems) or more elements, found \(count)", at: place)
    }
    if field.rules.hasMaxItems, count > field.rules.maxItems {
      diagnostics.error(
        "expected \(field.rules.maxItems) elements or fewer, found \(count)", at: place)
    }
  }

  /// `choice`: a refused field may stand in this one's place.
  private func checkAbsent(_ field: FieldSchema, _ place: Place, choice: Bool) {
    let rules = field.rules
    // A FilterConfig may only turn a filter on or off.
    let isExtension =
      !rules.extensions.isEmpty && rules.extensions != PluginSchemas.routeCategory && !field.isRepeated
      && field.kind == .message("google.protobuf.Any")
    if isExtension, choice { return }
    // A required member of a oneof is required only where it is the one that was chosen.
    if rules.required && field.oneof == nil || isExtension {
      diagnostics.error("is required", at: place)
    } else if field.isRepeated {
      if rules.hasMinItems, rules.minItems > 0 {
        diagnostics.error("is required, with \(rules.minItems) or more elements", at: place)
      }
    } else if field.oneof == nil, rules.hasMinLength, rules.minLength > 0, !rules.ignoreEmpty {
      diagnostics.error("is required and must not be empty", at: place)
    } else if field.oneof == nil, rules.hasAtLeast, rules.atLeast > 0, !rules.ignoreEmpty,
      isPlainNumber(field)
    {
      diagnostics.error("is required, \(rules.atLeast) or more", at: place)
    }
  }

  /// Without a wrapper an absent number is zero, and zero is checked.
  private func isPlainNumber(_ field: FieldSchema) -> Bool {
    switch field.kind {
    case .int32, .int64, .uint32, .uint64: true
    default: false
    }
  }
}
