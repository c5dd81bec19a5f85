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
        limit.enabled = conversion.enabled(
          message.runtimeEnabled, at: place.field("runtime_enabled"))
      }
      return .connectionLimit(limit)
    }
  }
}

extension Conversion {
  /// A switch: the runtime value where a static layer has one, or else the default.
  func enabled(_ flag: Envoy_Config_Core_V3_RuntimeFeatureFlag, at place: Place) -> Bool {
    guard !flag.runtimeKey.isEmpty, let (value, keyPlace) = runtime.boolean(flag.runtimeKey) else {
      return flag.defaultValue.value
    }
    if value == nil { error("expected true or false", at: keyPlace) }
    return value ?? flag.defaultValue.value
  }
}
