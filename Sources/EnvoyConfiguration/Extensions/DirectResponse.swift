// The direct response network filter: fixed bytes, read at load.

internal import Model

extension ConfigurationExtension where Output == NetworkFilter {
  static var directResponse: Self {
    Self(Envoy_Extensions_Filters_Network_DirectResponse_V3_Config.self) {
      message, conversion, place in
      guard message.hasResponse else { return .directResponse([]) }
      return conversion.bytes(
        message.response, limit: DataSourceLimit.file, at: place.field("response")
      )
      .map { .directResponse($0) }
    }
  }
}
