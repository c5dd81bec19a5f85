// The connection limit network filter.

internal import Model

extension ConfigurationExtension where Output == NetworkFilter {
  static var connectionLimit: Self {
    Self(Envoy_Extensions_Filters_Network_ConnectionLimit_V3_ConnectionLimit.self) {
      message, conversion, place in
      if !message.hasMaxConnections {
        conversion.error("is required", at: place.field("max_connections"))
      }
      var limit = ConnectionLimit(
        statPrefix: message.statPrefix, maxConnections: message.maxConnections.value)
      limit.delay = conversion.timeout(message.delay, isSet: message.hasDelay)
      if message.hasRuntimeEnabled {
        limit.enabled = conversion.flag(message.runtimeEnabled)
      }
      return .connectionLimit(limit)
    }
  }
}

extension Conversion {
  /// A switch that the runtime may turn. What is no boolean there is an error at load, and is passed
  /// over when it comes later, as in Envoy.
  func flag(_ message: Envoy_Config_Core_V3_RuntimeFeatureFlag) -> RuntimeFlag {
    if !message.runtimeKey.isEmpty, let (value, place) = runtime.boolean(message.runtimeKey),
      value == nil
    {
      error("expected true or false", at: place)
    }
    return RuntimeFlag(defaultValue: message.defaultValue.value, key: message.runtimeKey)
  }
}
