// `/config_dump`: the configuration that runs, in Envoy's envelopes. Everything here is static, so
// that the lists of what came over xDS are known by name and empty.

extension AdminHandler {
  private static let admin = "type.googleapis.com/envoy.admin.v3."

  /// One envelope: its type, the lists of resources that Envoy has in it, and ours among them.
  struct Section {
    var type: String
    /// The list that we fill, the type of its elements and the field of an element.
    var list: String
    var element: String
    var field: String
    var resources: [ConfigurationReport.Resource]
    /// Names of lists that only xDS would fill.
    var empty: [String]
  }

  func configDump(_ request: AdminRequest) -> AdminResponse {
    let report = source.configuration()
    let mask = request.parameter("mask").map(FieldMask.init(_:))
    var pattern: NamePattern?
    if let expression = request.parameter("name_regex"), !expression.isEmpty {
      do {
        pattern = try NamePattern(expression, isWhole: true)
      } catch {
        return .badRequest("Error while parsing name_regex from \(expression): \(error.text)\n")
      }
    }
    var sections = Self.sections(report, pattern)
    // Where Envoy has them: behind the clusters.
    if request.parameter("include_eds") != nil { sections.insert(endpointSection(pattern), at: 1) }
    let updated = JSONValue.Member(
      "last_updated",
      .string(
        HTTPDate.timestamp(
          seconds: report.loaded.seconds, milliseconds: report.loaded.milliseconds)))
    if let resource = request.parameter("resource"), !resource.isEmpty {
      return Self.resources(resource, in: sections, mask, updated)
    }
    var configs = [
      JSONValue.object([
        .init("@type", .string(Self.admin + "BootstrapConfigDump")),
        .init("bootstrap", report.bootstrap), updated,
      ])
    ]
    for section in sections {
      var members = [JSONValue.Member("@type", .string(Self.admin + section.type))]
      let elements = section.resources.map { resource in
        JSONValue.object([.init(section.field, resource.value), updated])
      }
      if !elements.isEmpty { members.append(.init(section.list, .array(elements))) }
      configs.append(.object(members))
    }
    if let mask { configs = configs.compactMap(mask.applied) }
    return Self.answer(configs)
  }

  private static func sections(_ report: ConfigurationReport, _ pattern: NamePattern?) -> [Section] {
    func chosen(_ resources: [ConfigurationReport.Resource]) -> [ConfigurationReport.Resource] {
      resources.filter { pattern?.matches($0.name) ?? true }
    }
    return [
      Section(
        type: "ClustersConfigDump", list: "static_clusters",
        element: "ClustersConfigDump.StaticCluster", field: "cluster",
        resources: chosen(report.clusters),
        empty: ["dynamic_active_clusters", "dynamic_warming_clusters"]),
      Section(
        type: "ListenersConfigDump", list: "static_listeners",
        element: "ListenersConfigDump.StaticListener", field: "listener",
        resources: chosen(report.listeners), empty: ["dynamic_listeners"]),
      Section(
        type: "RoutesConfigDump", list: "static_route_configs",
        element: "RoutesConfigDump.StaticRouteConfig", field: "route_config",
        resources: chosen(report.routes), empty: ["dynamic_route_configs"]),
    ]
  }

  /// The elements of one list.
  private static func resources(
    _ name: String, in sections: [Section], _ mask: FieldMask?, _ updated: JSONValue.Member
  ) -> AdminResponse {
    if name == "bootstrap" {
      return .badRequest(
        "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field")
    }
    if sections.contains(where: { $0.empty.contains(name) }) { return answer([]) }
    guard let section = sections.first(where: { $0.list == name }) else {
      return AdminResponse(status: 404, body: "\(name) not found in config dump")
    }
    let elements = section.resources.compactMap { resource -> JSONValue? in
      let element = JSONValue.object([
        .init("@type", .string(admin + section.element)), .init(section.field, resource.value),
        updated,
      ])
      return mask.map { $0.applied(to: element) } ?? element
    }
    return answer(elements)
  }

  private static func answer(_ configs: [JSONValue]) -> AdminResponse {
    let body = JSONValue.object(configs.isEmpty ? [] : [.init("configs", .array(configs))])
    return AdminResponse(.json, body: body.pretty)
  }
}

/// Field paths of which only what they name is kept. A path goes through every element of a list.
struct FieldMask {
  private let paths: [[Substring]]

  init(_ text: String) {
    paths = text.split(separator: ",").map { $0.split(separator: ".") }
  }

  /// Nil where nothing of the value is named. Types stay.
  func applied(to value: JSONValue) -> JSONValue? { Self.apply(paths, to: value) }

  private static func apply(_ paths: [[Substring]], to value: JSONValue) -> JSONValue? {
    switch value {
    case .object(let members):
      var kept: [JSONValue.Member] = []
      var isNamed = false
      for member in members {
        if member.name == "@type" {
          kept.append(member)
          continue
        }
        let inside = paths.filter { $0.first.map(String.init) == member.name }
        guard !inside.isEmpty else { continue }
        let rest = inside.map { Array($0.dropFirst()) }
        // A path that ends here names the whole.
        let value = rest.contains(where: \.isEmpty) ? member.value : apply(rest, to: member.value)
        if let value {
          kept.append(.init(member.name, value))
          isNamed = true
        }
      }
      return isNamed ? .object(kept) : nil
    case .array(let elements):
      let kept = elements.compactMap { apply(paths, to: $0) }
      return kept.isEmpty ? nil : .array(kept)
    default: return nil
    }
  }
}
