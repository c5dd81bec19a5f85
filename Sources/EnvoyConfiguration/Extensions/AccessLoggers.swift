// The access loggers: a file and the two standard streams.

internal import Model
internal import SwiftProtobuf

typealias AccessLogExtension = ConfigurationExtension<AccessLog>

extension ConfigurationExtension where Output == AccessLog {
  /// The category `envoy.access_loggers`.
  static var all: [Self] { [.file, .standardOutput, .standardError] }

  static var file: Self {
    Self(Envoy_Extensions_AccessLoggers_File_V3_FileAccessLog.self) { message, conversion, place in
      let format: FormatString?
      switch message.accessLogFormat {
      case .logFormat(let text)?: format = conversion.format(text, at: place.field("log_format"))
      case .format(let text)?:
        format = conversion.textFormat(
          text.isEmpty ? Conversion.defaultLogFormat : text, at: place.field("format"))
      case .jsonFormat(let members)?:
        format = conversion.jsonFormat(members, at: place.field("json_format"))
      case .typedJsonFormat(let members)?:
        format = conversion.jsonFormat(members, at: place.field("typed_json_format"))
      case nil: format = conversion.textFormat(Conversion.defaultLogFormat, at: place)
      }
      return format.map { AccessLog(sink: .file(message.path), format: $0) }
    }
  }

  static var standardOutput: Self {
    Self(Envoy_Extensions_AccessLoggers_Stream_V3_StdoutAccessLog.self) { message, conversion, place in
      var log: Envoy_Config_Core_V3_SubstitutionFormatString?
      if case .logFormat(let format)? = message.accessLogFormat { log = format }
      return conversion.stream(log, .standardOutput, at: place)
    }
  }

  static var standardError: Self {
    Self(Envoy_Extensions_AccessLoggers_Stream_V3_StderrAccessLog.self) { message, conversion, place in
      var log: Envoy_Config_Core_V3_SubstitutionFormatString?
      if case .logFormat(let format)? = message.accessLogFormat { log = format }
      return conversion.stream(log, .standardError, at: place)
    }
  }
}

extension Conversion {
  fileprivate func stream(
    _ message: Envoy_Config_Core_V3_SubstitutionFormatString?, _ sink: AccessLog.Sink, at place: Place
  ) -> AccessLog? {
    let format =
      message.map { self.format($0, at: place.field("log_format")) }
      ?? textFormat(Conversion.defaultLogFormat, at: place)
    return format.map { AccessLog(sink: sink, format: $0) }
  }
}
