// The predicates of internal redirects.

internal import Model

typealias RedirectPredicateExtension = ConfigurationExtension<InternalRedirect.Predicate>

extension ConfigurationExtension where Output == InternalRedirect.Predicate {
  /// The category `envoy.internal_redirect_predicates`.
  static var all: [Self] { [.allowListedRoutes, .previousRoutes, .safeCrossScheme] }

  static var allowListedRoutes: Self {
    Self(Envoy_Extensions_InternalRedirect_AllowListedRoutes_V3_AllowListedRoutesConfig.self) {
      message, _, _ in .allowListedRoutes(Set(message.allowedRouteNames))
    }
  }

  static var previousRoutes: Self {
    Self(Envoy_Extensions_InternalRedirect_PreviousRoutes_V3_PreviousRoutesConfig.self) { _, _, _ in
      .previousRoutes
    }
  }

  static var safeCrossScheme: Self {
    Self(Envoy_Extensions_InternalRedirect_SafeCrossScheme_V3_SafeCrossSchemeConfig.self) { _, _, _ in
      .safeCrossScheme
    }
  }
}
