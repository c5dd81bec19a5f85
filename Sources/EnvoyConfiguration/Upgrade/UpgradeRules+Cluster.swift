// Clusters of the v2 age: `hosts` instead of a load assignment.

extension UpgradeRules {
  static func cluster(_ entries: inout Entries, in scope: Scope) {
    hosts(&entries, in: scope)
  }

  /// `hosts`, a list of addresses, becomes a load assignment with one locality.
  private static func hosts(_ entries: inout Entries, in scope: Scope) {
    guard let index = index(of: "hosts", entries) else { return }
    let hosts = entries[index]
    if has("load_assignment", entries) {
      scope.refused(
        "`hosts` and `load_assignment` cannot both stand; keep `load_assignment`", hosts)
      entries.remove(at: index)
      return
    }
    scope.changed("`hosts` is now `load_assignment`", hosts)
    let position = hosts.value.position
    let addresses = hosts.value.elements ?? [hosts.value]
    let endpoints = addresses.map { mapping("endpoint", mapping("address", $0)) }
    let locality = mapping("lb_endpoints", list(endpoints, at: position))
    var assignment: Entries = []
    if let name = entries.first(where: { $0.key == "name" }) {
      assignment.append(.init(key: "cluster_name", position: hosts.position, value: name.value))
    }
    assignment.append(
      .init(key: "endpoints", position: position, value: list([locality], at: position)))
    entries[index] = .init(
      key: "load_assignment", position: hosts.position,
      value: ConfigurationNode(.mapping(assignment), at: position))
  }
}
