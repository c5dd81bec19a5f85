// `/clusters`. Lines that would not be true here (outlier detection, health checks' details) are
// left out and come with the features.
import Model

extension AdminHandler {
  func clusters(_ request: AdminRequest) -> AdminResponse {
    let pattern: NamePattern?
    do {
      pattern = try Self.pattern(request)
    } catch {
      return .badRequest(error.text)
    }
    let clusters = source.clusters().filter { pattern?.matches($0.name) ?? true }
    switch request.parameter("format") ?? "text" {
    case "text", "": return AdminResponse(body: clusters.map(Self.text).joined())
    case "json":
      let statuses = JSONValue.array(clusters.map(Self.json))
      return AdminResponse(
        .json, body: JSONValue.object([.init("cluster_statuses", statuses)]).pretty)
    default: return .badRequest("usage: /clusters?format=(json|text)\n\n")
    }
  }

  private static func text(_ cluster: ClusterReport) -> String {
    var out = "\(cluster.name)::observability_name::\(cluster.name)\n"
    for (name, limits) in [
      ("default", cluster.circuitBreakers.normal), ("high", cluster.circuitBreakers.high),
    ] {
      for (limit, value) in Self.limits(limits) {
        out += "\(cluster.name)::\(name)_priority::\(limit)::\(value)\n"
      }
    }
    out += "\(cluster.name)::added_via_api::false\n"
    for endpoint in cluster.endpoints {
      let prefix = "\(cluster.name)::\(endpoint.address)::"
      for counter in endpoint.counters { out += "\(prefix)\(counter.name)::\(counter.value)\n" }
      out += """
        \(prefix)hostname::\(endpoint.hostname)
        \(prefix)health_flags::\(Self.healthFlags(endpoint.health))
        \(prefix)weight::\(endpoint.weight)
        \(prefix)region::\(endpoint.locality.region)
        \(prefix)zone::\(endpoint.locality.zone)
        \(prefix)sub_zone::\(endpoint.locality.subZone)
        \(prefix)canary::false
        \(prefix)priority::\(endpoint.priority)
        \(prefix)success_rate::-1
        \(prefix)local_origin_success_rate::-1

        """
    }
    return out
  }

  private static func limits(
    _ thresholds: CircuitBreakers.Thresholds
  ) -> [(name: String, value: UInt32)] {
    [
      ("max_connections", thresholds.maxConnections),
      ("max_pending_requests", thresholds.maxPendingRequests),
      ("max_requests", thresholds.maxRequests), ("max_retries", thresholds.maxRetries),
    ]
  }

  /// As Envoy names them; an endpoint that timed out is merely unhealthy here as well.
  private static func healthFlags(_ health: Model.Endpoint.Health) -> String {
    switch health {
    case .healthy: "healthy"
    case .degraded: "/degraded_eds_health"
    case .unhealthy, .timeout: "/failed_eds_health"
    case .draining: "/eds_status_draining"
    }
  }

  static func healthStatus(_ health: Model.Endpoint.Health) -> String {
    switch health {
    case .healthy: "HEALTHY"
    case .degraded: "DEGRADED"
    case .unhealthy, .timeout: "UNHEALTHY"
    case .draining: "DRAINING"
    }
  }

  private static func json(_ cluster: ClusterReport) -> JSONValue {
    var members: [JSONValue.Member] = [.init("name", .string(cluster.name))]
    if !cluster.endpoints.isEmpty {
      members.append(.init("host_statuses", .array(cluster.endpoints.map(json))))
    }
    let thresholds = [("", cluster.circuitBreakers.normal), ("HIGH", cluster.circuitBreakers.high)]
      .map { priority, limits -> JSONValue in
        let name = priority.isEmpty ? [] : [JSONValue.Member("priority", .string(priority))]
        let values = Self.limits(limits).map {
          JSONValue.Member($0.name, .integer(UInt64($0.value)))
        }
        return .object(name + values)
      }
    members.append(
      .init("circuit_breakers", .object([.init("thresholds", .array(thresholds))])))
    members.append(.init("observability_name", .string(cluster.name)))
    return .object(members)
  }

  /// As the protobuf JSON mapping does, zero and empty fields are left out.
  private static func json(_ endpoint: ClusterReport.Endpoint) -> JSONValue {
    let ordered =
      endpoint.counters.filter { !$0.isGauge } + endpoint.counters.filter { $0.isGauge }
    let stats = ordered.map { counter -> JSONValue in
      var members: [JSONValue.Member] = []
      if counter.isGauge { members.append(.init("type", .string("GAUGE"))) }
      if counter.value != 0 { members.append(.init("value", .integer64(counter.value))) }
      members.append(.init("name", .string(counter.name)))
      return .object(members)
    }
    var members: [JSONValue.Member] = [
      .init("address", json(endpoint.address)),
      .init("stats", .array(stats)),
      .init("health_status", .object([.init("eds_health_status", .string(healthStatus(endpoint.health)))])),
      .init("weight", .integer(UInt64(endpoint.weight))),
    ]
    if !endpoint.hostname.isEmpty { members.append(.init("hostname", .string(endpoint.hostname))) }
    if endpoint.priority != 0 {
      members.append(.init("priority", .integer(UInt64(endpoint.priority))))
    }
    members.append(.init("locality", json(endpoint.locality)))
    return .object(members)
  }

  static func json(_ locality: Locality) -> JSONValue {
    .object(
      [("region", locality.region), ("zone", locality.zone), ("sub_zone", locality.subZone)]
        .filter { !$0.1.isEmpty }.map { JSONValue.Member($0.0, .string($0.1)) })
  }
}
