// The load balancing policies: round robin, least request, random, and the cluster's own.

internal import Model

typealias LoadBalancingExtension = ConfigurationExtension<(inout LoadBalancing) -> Void>

private typealias Common = Envoy_Extensions_LoadBalancingPolicies_Common_V3_LocalityLbConfig

extension ConfigurationExtension where Output == (inout LoadBalancing) -> Void {
  /// The category `envoy.load_balancing_policies`.
  static var all: [Self] { [.roundRobin, .leastRequest, .random, .clusterProvided] }

  private static var roundRobin: Self {
    Self(Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin.self) {
      message, conversion, _ in
      { balancing in
        balancing.policy = .roundRobin
        balancing.slowStart = conversion.slowStart(message.slowStartConfig)
        read(message.localityLbConfig, into: &balancing)
      }
    }
  }

  private static var leastRequest: Self {
    Self(Envoy_Extensions_LoadBalancingPolicies_LeastRequest_V3_LeastRequest.self) {
      message, conversion, _ in
      { balancing in
        var options = LeastRequest()
        if message.hasChoiceCount { options.choices = message.choiceCount.value }
        if message.hasActiveRequestBias {
          options.activeRequestBias = conversion.bias(message.activeRequestBias)
        }
        options.scansAll =
          message.selectionMethod == .fullScan || message.enableFullScan.value
        balancing.policy = .leastRequest(options)
        balancing.slowStart = conversion.slowStart(message.slowStartConfig)
        read(message.localityLbConfig, into: &balancing)
      }
    }
  }

  private static var random: Self {
    Self(Envoy_Extensions_LoadBalancingPolicies_Random_V3_Random.self) { message, _, _ in
      { balancing in
        balancing.policy = .random
        read(message.localityLbConfig, into: &balancing)
      }
    }
  }

  private static var clusterProvided: Self {
    Self(Envoy_Extensions_LoadBalancingPolicies_ClusterProvided_V3_ClusterProvided.self) { _, _, _ in
      { $0.policy = .clusterProvided }
    }
  }

  private static func read(_ message: Common, into balancing: inout LoadBalancing) {
    switch message.localityConfigSpecifier {
    case .localityWeightedLbConfig?: balancing.weighsLocalities = true
    case .zoneAwareLbConfig(let zone)?: balancing.failsOnPanic = zone.failTrafficOnPanic
    case nil: break
    }
  }
}

extension Conversion {
  fileprivate func slowStart(
    _ message: Envoy_Extensions_LoadBalancingPolicies_Common_V3_SlowStartConfig
  ) -> SlowStart? {
    slowStart(
      window: message.slowStartWindow, aggression: message.hasAggression ? message.aggression : nil,
      minimum: message.hasMinWeightPercent ? message.minWeightPercent.value : nil)
  }
}
