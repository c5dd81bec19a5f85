// `/config_dump?include_eds`: the endpoints that clusters have now, as load assignments. What names
// resolve to stands there as it is at the moment.
import Model

extension AdminHandler {
  /// In the order of the clusters' names, as Envoy has them.
  func endpointSection(_ pattern: NamePattern?) -> Section {
    let clusters = source.clusters()
      .filter { pattern?.matches($0.name) ?? true }
      .sorted { $0.name < $1.name }
    return Section(
      type: "EndpointsConfigDump", list: "static_endpoint_configs",
      element: "EndpointsConfigDump.StaticEndpointConfig", field: "endpoint_config",
      resources: clusters.map { .init(name: $0.name, value: Self.assignment($0)) },
      empty: ["dynamic_endpoint_configs"])
  }

  private static func assignment(_ cluster: ClusterReport) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init(
        "@type", .string("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment")),
      .init("cluster_name", .string(cluster.name)),
    ]
    let groups = localities(cluster.endpoints)
    if !groups.isEmpty { members.append(.init("endpoints", .array(groups.map(locality)))) }
    let factor = JSONValue.integer(UInt64(cluster.overprovisioningFactor))
    members.append(.init("policy", .object([.init("overprovisioning_factor", factor)])))
    return .object(members)
  }

  /// Endpoints of one priority and locality, in the order of the first of each.
  private static func localities(_ endpoints: [ClusterReport.Endpoint]) -> [[ClusterReport.Endpoint]] {
    var groups: [[ClusterReport.Endpoint]] = []
    for endpoint in endpoints {
      let index = groups.firstIndex {
        $0[0].priority == endpoint.priority && $0[0].locality == endpoint.locality
      }
      if let index { groups[index].append(endpoint) } else { groups.append([endpoint]) }
    }
    return groups
  }

  private static func locality(_ endpoints: [ClusterReport.Endpoint]) -> JSONValue {
    let first = endpoints[0]
    var members: [JSONValue.Member] = [
      .init("locality", json(first.locality)), .init("lb_endpoints", .array(endpoints.map(host))),
    ]
    if let weight = first.model.localityWeight {
      members.append(.init("load_balancing_weight", .integer(UInt64(weight))))
    }
    if first.priority != 0 { members.append(.init("priority", .integer(UInt64(first.priority)))) }
    return .object(members)
  }

  private static func host(_ endpoint: ClusterReport.Endpoint) -> JSONValue {
    var inner: [JSONValue.Member] = [.init("address", json(endpoint.address))]
    if !endpoint.hostname.isEmpty { inner.append(.init("hostname", .string(endpoint.hostname))) }
    if !endpoint.model.additionalAddresses.isEmpty {
      let others = endpoint.model.additionalAddresses.map {
        JSONValue.object([.init("address", json($0))])
      }
      inner.append(.init("additional_addresses", .array(others)))
    }
    var members: [JSONValue.Member] = [
      .init("endpoint", .object(inner)),
      .init("health_status", .string(healthStatus(endpoint.health))),
    ]
    if !endpoint.model.metadata.isEmpty {
      members.append(.init("metadata", json(endpoint.model.metadata)))
    }
    members.append(.init("load_balancing_weight", .integer(UInt64(endpoint.weight))))
    return .object(members)
  }

  private static func json(_ metadata: Metadata) -> JSONValue {
    let namespaces = metadata.namespaces.sorted { $0.key < $1.key }.map {
      JSONValue.Member($0.key, json(.object($0.value)))
    }
    return .object([.init("filter_metadata", .object(namespaces))])
  }

  private static func json(_ value: MetadataValue) -> JSONValue {
    switch value {
    case .null: .null
    case .bool(let flag): .bool(flag)
    case .number(let number): .number(number)
    case .string(let text): .string(text)
    case .list(let elements): .array(elements.map(json))
    case .object(let members):
      .object(members.sorted { $0.key < $1.key }.map { .init($0.key, json($0.value)) })
    }
  }
}
