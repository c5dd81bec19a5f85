// Load balancing: the old fields of a cluster and the extensions that stand for them.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func readLoadBalancing(
    _ message: Envoy_Config_Cluster_V3_Cluster, into cluster: inout Cluster, at place: Place
  ) {
    readPolicy(message.loadAssignment.policy, into: &cluster.loadBalancing)
    let common = message.commonLbConfig
    if common.hasHealthyPanicThreshold {
      // Envoy rounds as well.
      cluster.loadBalancing.panicThreshold = UInt32(
        clamping: Int(common.healthyPanicThreshold.value.rounded()))
    }
    cluster.loadBalancing.closesConnectionsOnChange = common.closeConnectionsOnHostSetChange
    if message.hasLoadBalancingPolicy {
      readPolicyExtension(message, into: &cluster.loadBalancing, at: place)
    } else {
      readOldPolicy(message, into: &cluster.loadBalancing, at: place)
    }
    checkPolicy(of: cluster, at: place)
  }

  private func readPolicyExtension(
    _ message: Envoy_Config_Cluster_V3_Cluster, into balancing: inout LoadBalancing, at place: Place
  ) {
    if message.commonLbConfig.localityConfigSpecifier != nil {
      error(
        "with `load_balancing_policy`, localities are weighted by its own `locality_lb_config`",
        at: place.field("common_lb_config"))
    }
    let policies = place.field("load_balancing_policy").field("policies")
    guard let first = message.loadBalancingPolicy.policies.first else {
      error("expected one policy or more", at: policies)
      return
    }
    let config = policies.element(0).field("typed_extension_config").field("typed_config")
    let change = LoadBalancingExtension.convert(
      first.typedExtensionConfig.typedConfig, among: LoadBalancingExtension.all, with: self,
      at: config)
    change?(&balancing)
  }

  private func readOldPolicy(
    _ message: Envoy_Config_Cluster_V3_Cluster, into balancing: inout LoadBalancing, at place: Place
  ) {
    switch message.commonLbConfig.localityConfigSpecifier {
    case .localityWeightedLbConfig?: balancing.weighsLocalities = true
    case .zoneAwareLbConfig(let zone)?: balancing.failsOnPanic = zone.failTrafficOnPanic
    case nil: break
    }
    switch message.lbPolicy {
    case .roundRobin:
      guard case .roundRobinLbConfig(let config)? = message.lbConfig else { break }
      balancing.slowStart = slowStart(config.slowStartConfig)
    case .leastRequest:
      var options = LeastRequest()
      if case .leastRequestLbConfig(let config)? = message.lbConfig {
        if config.hasChoiceCount { options.choices = config.choiceCount.value }
        if config.hasActiveRequestBias {
          options.activeRequestBias = bias(config.activeRequestBias)
        }
        balancing.slowStart = slowStart(config.slowStartConfig)
      }
      balancing.policy = .leastRequest(options)
    case .random: balancing.policy = .random
    case .clusterProvided: balancing.policy = .clusterProvided
    case .loadBalancingPolicyConfig:
      error("`LOAD_BALANCING_POLICY_CONFIG` needs `load_balancing_policy`", at: place.field("lb_policy"))
    default: break  // refused by the walk
    }
  }

  private func checkPolicy(of cluster: Cluster, at place: Place) {
    let isProvided = cluster.loadBalancing.policy == .clusterProvided
    if case .originalDestination = cluster.discovery {
      if !isProvided {
        error(
          "a cluster of original destinations has the policy CLUSTER_PROVIDED",
          at: place.field("lb_policy"))
      }
    } else if isProvided {
      error(
        "only a cluster of original destinations (`type: ORIGINAL_DST`) chooses by itself",
        at: place.field("lb_policy"))
    }
  }

  private func slowStart(_ config: Envoy_Config_Cluster_V3_Cluster.SlowStartConfig) -> SlowStart? {
    slowStart(
      window: config.slowStartWindow, aggression: config.hasAggression ? config.aggression : nil,
      minimum: config.hasMinWeightPercent ? config.minWeightPercent.value : nil)
  }

  func slowStart(
    window: Google_Protobuf_Duration, aggression: Envoy_Config_Core_V3_RuntimeDouble?,
    minimum: Double?
  ) -> SlowStart? {
    let duration = Duration(window)
    guard duration > .zero else { return nil }
    var result = SlowStart(window: duration)
    if let aggression {
      let value = double(aggression)
      // As Envoy: what cannot be an exponent counts as 1.
      if value > 0 { result.aggression = value }
    }
    if let minimum { result.minimumWeight = minimum / 100 }
    return result
  }

  /// As Envoy: a negative bias counts as 1.
  func bias(_ value: Envoy_Config_Core_V3_RuntimeDouble) -> Double {
    let value = double(value)
    return value < 0 ? 1 : value
  }

  private func double(_ value: Envoy_Config_Core_V3_RuntimeDouble) -> Double {
    guard !value.runtimeKey.isEmpty, let (found, place) = runtime.decimal(value.runtimeKey) else {
      return value.defaultValue
    }
    guard let found else {
      error("expected a number", at: place)
      return value.defaultValue
    }
    return found
  }
}
