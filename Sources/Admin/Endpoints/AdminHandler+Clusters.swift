// `/clusters`. Lines that would not be true here (circuit breakers, health checks' details) are
// left out and come with the features.

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
    var out = """
      \(cluster.name)::observability_name::\(cluster.name)
      \(cluster.name)::added_via_api::false

      """
    for endpoint in cluster.endpoints {
      let prefix = "\(cluster.name)::\(endpoint.address)::"
      for counter in endpoint.counters { out += "\(prefix)\(counter.name)::\(counter.value)\n" }
      out += """
        \(prefix)hostname::\(endpoint.hostname)
        \(prefix)health_flags::healthy
        \(prefix)weight::\(endpoint.weight)
        \(prefix)region::
        \(prefix)zone::\(endpoint.zone)
        \(prefix)sub_zone::
        \(prefix)canary::false
        \(prefix)priority::0
        \(prefix)success_rate::-1
        \(prefix)local_origin_success_rate::-1

        """
    }
    return out
  }

  private static func json(_ cluster: ClusterReport) -> JSONValue {
    var members: [JSONValue.Member] = [.init("name", .string(cluster.name))]
    if !cluster.endpoints.isEmpty {
      members.append(.init("host_statuses", .array(cluster.endpoints.map(json))))
    }
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
      .init("health_status", .object([.init("eds_health_status", .string("HEALTHY"))])),
      .init("weight", .integer(UInt64(endpoint.weight))),
    ]
    if !endpoint.hostname.isEmpty { members.append(.init("hostname", .string(endpoint.hostname))) }
    let zone: [JSONValue.Member] =
      endpoint.zone.isEmpty ? [] : [.init("zone", .string(endpoint.zone))]
    members.append(.init("locality", .object(zone)))
    return .object(members)
  }
}
