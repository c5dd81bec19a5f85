// Format strings: text and JSON with operators, read once when the configuration loads.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  /// Envoy's line, for logs without a format of their own.
  static let defaultLogFormat =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    + "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    + "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    + "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n"

  /// Bytes of a format's text in a file.
  private static let limit = 1 << 20

  func format(
    _ message: Envoy_Config_Core_V3_SubstitutionFormatString, at place: Place
  ) -> FormatString? {
    var format = withFormatters(message.formatters, formatters, at: place.field("formatters")) {
      shape(message, at: place)
    }
    format?.omitEmptyValues = message.omitEmptyValues
    format?.contentType = message.contentType
    return format
  }

  private func shape(
    _ message: Envoy_Config_Core_V3_SubstitutionFormatString, at place: Place
  ) -> FormatString? {
    switch message.format {
    case .textFormat(let text)?: return textFormat(text, at: place.field("text_format"))
    case .textFormatSource(let source)?:
      let sourcePlace = place.field("text_format_source")
      return bytes(source, limit: Self.limit, at: sourcePlace).flatMap {
        textFormat(String(decoding: $0, as: UTF8.self), at: sourcePlace)
      }
    case .jsonFormat(let members)?: return jsonFormat(members, at: place.field("json_format"))
    case nil: return nil  // required by the proto file
    }
  }

  func textFormat(_ text: String, at place: Place) -> FormatString? {
    elements(text, at: place).map { FormatString(.text($0)) }
  }

  private func elements(_ text: String, at place: Place) -> [FormatElement]? {
    do throws(FormatError) {
      return try FormatParser.parse(text, plugins: operators)
    } catch {
      if error.lacksConfiguration, lacksFormatter { return nil }
      self.error(error.message, at: place)
      return nil
    }
  }

  func jsonFormat(_ members: Google_Protobuf_Struct, at place: Place) -> FormatString? {
    json(members, at: place).map { FormatString(.json($0)) }
  }

  private func json(_ members: Google_Protobuf_Struct, at place: Place) -> FormatJSON? {
    var result: [FormatJSON.Member] = []
    var isWhole = true
    for (key, value) in members.fields.sorted(by: { $0.key < $1.key }) {
      guard let converted = json(value, at: place.key(key)) else {
        isWhole = false
        continue
      }
      result.append(.init(key: key, value: converted))
    }
    return isWhole ? .object(result) : nil
  }

  private func json(_ value: Google_Protobuf_Value, at place: Place) -> FormatJSON? {
    switch value.kind {
    case .stringValue(let text)?: return elements(text, at: place).map { .text($0) }
    case .structValue(let members)?: return json(members, at: place)
    case .listValue(let list)?:
      let items = list.values.enumerated().map { json($1, at: place.element($0)) }
      return items.contains { $0 == nil } ? nil : .list(items.compactMap { $0 })
    case .numberValue(let number)?: return .number(number)
    case .boolValue(let flag)?: return .bool(flag)
    case .nullValue?, nil: return .null
    }
  }
}
