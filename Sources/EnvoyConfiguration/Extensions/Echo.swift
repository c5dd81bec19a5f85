// The echo network filter.

internal import Model

extension ConfigurationExtension where Output == NetworkFilter {
  static var echo: Self {
    Self(Envoy_Extensions_Filters_Network_Echo_V3_Echo.self) { _, _, _ in .echo }
  }
}
