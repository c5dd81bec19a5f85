// The original destination listener filter.

internal import Model

extension ConfigurationExtension where Output == ListenerFilter {
  static var originalDestination: Self {
    Self(Envoy_Extensions_Filters_Listener_OriginalDst_V3_OriginalDst.self) { _, _, _ in
      .originalDestination
    }
  }
}
