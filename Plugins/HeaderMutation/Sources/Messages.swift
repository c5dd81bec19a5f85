// The filter's messages: Envoy's, and our own with conditions and substitutions. Envoy's are read as
// our own without either.
import EnvoyMatchers
import MartletSDK
import SwiftProtobuf

typealias OwnMutations = Martlet_Filters_Http_HeaderMutation_V1_Mutations
private typealias EnvoyFilter = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutation
private typealias EnvoyRoute = Envoy_Extensions_Filters_Http_HeaderMutation_V3_HeaderMutationPerRoute
private typealias OwnFilter = Martlet_Filters_Http_HeaderMutation_V1_HeaderMutation
private typealias OwnRoute = Martlet_Filters_Http_HeaderMutation_V1_HeaderMutationPerRoute

/// The mutations of one message, and which it was: paths in errors are the message's own.
struct GivenMutations {
  let mutations: OwnMutations
  /// Whether they came as Envoy's.
  let isEnvoy: Bool

  init(own: OwnMutations) {
    mutations = own
    isEnvoy = false
  }

  init(envoy: Envoy_Extensions_Filters_Http_HeaderMutation_V3_Mutations) {
    typealias Envoy = Envoy_Config_Common_MutationRules_V3_HeaderMutation
    func own(_ mutations: [Envoy]) -> [Martlet_Filters_Http_HeaderMutation_V1_Mutation] {
      mutations.map { mutation in .with { $0.header = mutation } }
    }
    mutations = .with {
      $0.requestMutations = own(envoy.requestMutations)
      $0.queryParameterMutations = envoy.queryParameterMutations.map { mutation in
        .with { $0.parameter = mutation }
      }
      $0.requestTrailersMutations = own(envoy.requestTrailersMutations)
      $0.responseMutations = own(envoy.responseMutations)
      $0.responseTrailersMutations = own(envoy.responseTrailersMutations)
    }
    isEnvoy = true
  }
}

struct FilterMessage: ConfigurationMessage {
  static var typeNames: [String] { [EnvoyFilter.protoMessageName, OwnFilter.protoMessageName] }
  let mutations: GivenMutations
  let mostSpecificWins: Bool

  init(configuration given: GivenConfiguration) throws {
    if given.typeName == OwnFilter.protoMessageName {
      let message = try OwnFilter(serializedBytes: given.bytes)
      mutations = GivenMutations(own: message.mutations)
      mostSpecificWins = message.mostSpecificHeaderMutationsWins
    } else {
      let message = try EnvoyFilter(serializedBytes: given.bytes)
      mutations = GivenMutations(envoy: message.mutations)
      mostSpecificWins = message.mostSpecificHeaderMutationsWins
    }
  }
}

struct RouteMessage: ConfigurationMessage {
  static var typeNames: [String] { [EnvoyRoute.protoMessageName, OwnRoute.protoMessageName] }
  let mutations: GivenMutations

  init(configuration given: GivenConfiguration) throws {
    if given.typeName == OwnRoute.protoMessageName {
      mutations = GivenMutations(own: try OwnRoute(serializedBytes: given.bytes).mutations)
    } else {
      mutations = GivenMutations(envoy: try EnvoyRoute(serializedBytes: given.bytes).mutations)
    }
  }
}
