// Metadata and its matchers.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func metadata(_ message: Envoy_Config_Core_V3_Metadata, at place: Place) -> Metadata {
    if message.filterMetadata[""] != nil {
      error("a namespace must not be empty", at: place.field("filter_metadata").key(""))
    }
    return Metadata(
      namespaces: message.filterMetadata.mapValues { $0.fields.mapValues(Self.metadataValue) })
  }

  private static func metadataValue(_ value: Google_Protobuf_Value) -> MetadataValue {
    switch value.kind {
    case .boolValue(let flag)?: .bool(flag)
    case .numberValue(let number)?: .number(number)
    case .stringValue(let text)?: .string(text)
    case .listValue(let list)?: .list(list.values.map(metadataValue))
    case .structValue(let members)?: .object(members.fields.mapValues(metadataValue))
    case .nullValue?, nil: .null
    }
  }

  /// Nil with a finding where it is wrong.
  func metadataMatcher(
    _ message: Envoy_Type_Matcher_V3_MetadataMatcher, at place: Place
  ) -> MetadataMatcher? {
    guard let value = valueMatcher(message.value, at: place.field("value")) else { return nil }
    var matcher = MetadataMatcher(
      namespace: message.filter, path: message.path.map(\.key), value: value)
    matcher.invert = message.invert
    return matcher
  }

  private func valueMatcher(
    _ message: Envoy_Type_Matcher_V3_ValueMatcher, at place: Place
  ) -> ValueMatcher? {
    switch message.matchPattern {
    case .nullMatch?: return .null
    case .doubleMatch(let double)?:
      switch double.matchPattern {
      case .exact(let number)?: return .number(number)
      case .range(let range)?:
        if range.start >= range.end {
          warning(
            "the range from \(range.start) to \(range.end) is empty and never matches",
            at: place.field("double_match").field("range"))
        }
        return .range(lower: range.start, upper: range.end)
      case nil: return nil  // required by the proto file
      }
    case .stringMatch(let string)?:
      return stringMatcher(string, at: place.field("string_match")).map { .string($0) }
    case .boolMatch(let flag)?: return .bool(flag)
    case .presentMatch(let present)?:
      if !present {
        warning(
          "never matches, as in Envoy; `true` with `invert` takes what is not there",
          at: place.field("present_match"))
      }
      return .present(present)
    case .listMatch(let list)?:
      return valueMatcher(list.oneOf, at: place.field("list_match").field("one_of"))
        .map { .element($0) }
    case .orMatch(let any)?:
      let matchers = any.valueMatchers.enumerated().map {
        valueMatcher($1, at: place.field("or_match").field("value_matchers").element($0))
      }
      return matchers.contains { $0 == nil } ? nil : .any(matchers.compactMap { $0 })
    case nil: return nil  // required by the proto file
    }
  }

  /// Nil with a finding where it is wrong.
  func filterStateMatcher(
    _ message: Envoy_Type_Matcher_V3_FilterStateMatcher, at place: Place
  ) -> FilterStateMatcher? {
    stringMatcher(message.stringMatch, at: place.field("string_match"))
      .map { FilterStateMatcher(key: message.key, text: $0) }
  }
}
