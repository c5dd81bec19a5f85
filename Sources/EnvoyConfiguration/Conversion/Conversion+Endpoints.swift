// Load assignments: endpoints that have addresses, and names that a DNS cluster resolves.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  /// One endpoint as it stands: where it is, and what it is like.
  struct AssignedEndpoint {
    var message: Envoy_Config_Endpoint_V3_Endpoint
    var place: Place
    /// Everything but the addresses.
    var template: Endpoint
  }

  func assigned(
    _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment, at place: Place
  ) -> [AssignedEndpoint] {
    var result: [AssignedEndpoint] = []
    var weights: [UInt32: UInt64] = [:]
    for (index, locality) in assignment.endpoints.enumerated() {
      let localityPlace = place.field("endpoints").element(index)
      for (index, host) in locality.lbEndpoints.enumerated() {
        let weight = host.hasLoadBalancingWeight ? host.loadBalancingWeight.value : 1
        weights[locality.priority, default: 0] += UInt64(weight)
        let hostPlace = localityPlace.field("lb_endpoints").element(index)
        let endpointPlace = hostPlace.field("endpoint")
        guard case .endpoint(let message)? = host.hostIdentifier, message.hasAddress else {
          error("is required", at: endpointPlace.field("address"))
          continue
        }
        var template = Endpoint(address: .ip(.anyV4, port: 0))
        template.locality.region = locality.locality.region
        template.locality.zone = locality.locality.zone
        template.locality.subZone = locality.locality.subZone
        template.priority = Int(locality.priority)
        if locality.hasLoadBalancingWeight {
          template.localityWeight = locality.loadBalancingWeight.value
        }
        template.weight = weight
        template.hostname = message.hostname
        template.health = health(host.healthStatus)
        template.metadata = metadata(host.metadata, at: hostPlace.field("metadata"))
        result.append(
          AssignedEndpoint(message: message, place: endpointPlace, template: template))
      }
    }
    if weights.values.contains(where: { $0 > UInt64(UInt32.max) }) {
      error("the weights of a priority add up to more than \(UInt32.max)", at: place)
    }
    checkPriorities(assignment, at: place)
    return result
  }

  /// As Envoy, which says it of assignments that come over xDS.
  private func checkPriorities(
    _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment, at place: Place
  ) {
    let used = Set(assignment.endpoints.map(\.priority))
    for (index, locality) in assignment.endpoints.enumerated()
    where locality.priority > 0 && !used.contains(locality.priority - 1) {
      warning(
        "no locality has the priority \(locality.priority - 1) before this one",
        at: place.field("endpoints").element(index).field("priority"))
    }
  }

  private func health(_ status: Envoy_Config_Core_V3_HealthStatus) -> Endpoint.Health {
    switch status {
    case .unhealthy: .unhealthy
    case .draining: .draining
    case .timeout: .timeout
    case .degraded: .degraded
    default: .healthy
    }
  }

  /// Endpoints of a cluster that resolves nothing.
  func endpoints(
    _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment, at place: Place
  ) -> [Endpoint] {
    assigned(assignment, at: place).compactMap { assigned in
      let addressPlace = assigned.place.field("address")
      guard
        let address = address(assigned.message.address, at: addressPlace, isListener: false)
      else { return nil }
      checkPort(address.address, at: addressPlace)
      var endpoint = assigned.template
      endpoint.address = address.address
      endpoint.additionalAddresses = additionalAddresses(assigned)
      return endpoint
    }
  }

  private func checkPort(_ address: SocketAddress, at place: Place) {
    if case .ip(_, 0) = address, !place.isDoubtful {
      error("an endpoint has a port", at: place.field("socket_address").field("port_value"))
    }
  }

  private func additionalAddresses(_ assigned: AssignedEndpoint) -> [SocketAddress] {
    let list = assigned.message.additionalAddresses
    if !list.isEmpty, case .pipe? = assigned.message.address.address {
      error("only an endpoint with an IP address has further ones", at: assigned.place)
    }
    return list.enumerated().compactMap { index, additional in
      let place = assigned.place.field("additional_addresses").element(index).field("address")
      guard case .socketAddress? = additional.address.address else {
        error("expected a `socket_address`", at: place)
        return nil
      }
      guard let address = address(additional.address, at: place, isListener: false) else {
        return nil
      }
      checkPort(address.address, at: place)
      return address.address
    }
  }

  func readPolicy(
    _ policy: Envoy_Config_Endpoint_V3_ClusterLoadAssignment.Policy,
    into balancing: inout LoadBalancing
  ) {
    if policy.hasOverprovisioningFactor {
      balancing.overprovisioningFactor = policy.overprovisioningFactor.value
    }
    balancing.weighsPriorityHealth = policy.weightedPriorityHealth
  }
}
