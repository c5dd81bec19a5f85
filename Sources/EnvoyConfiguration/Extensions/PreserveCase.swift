// How names of headers are written: the category `envoy.http.stateful_header_formatters`.

internal import Model

extension ConfigurationExtension where Output == HTTP1Options.Names {
  /// The category `envoy.http.stateful_header_formatters`.
  static var all: [Self] { [.preserveCase] }

  static var preserveCase: Self {
    Self(Envoy_Extensions_Http_HeaderFormatters_PreserveCase_V3_PreserveCaseFormatterConfig.self) {
      message, _, _ in
      .preserved(
        othersProper: message.formatterTypeOnEnvoyHeaders == .properCase,
        keepsReason: message.forwardReasonPhrase)
    }
  }
}

extension Conversion {
  /// `place`: of the options.
  func headerNames(_ options: Envoy_Config_Core_V3_Http1ProtocolOptions, at place: Place)
    -> HTTP1Options.Names
  {
    switch options.headerKeyFormat.headerFormat {
    case .properCaseWords?: return .proper
    case .statefulFormatter(let formatter)?:
      let formatterPlace = place.field("header_key_format").field("stateful_formatter")
      return ConfigurationExtension<HTTP1Options.Names>.convert(
        formatter.typedConfig, among: ConfigurationExtension<HTTP1Options.Names>.all, with: self,
        at: formatterPlace.field("typed_config")) ?? .lower
    case nil: return .lower
    }
  }
}
