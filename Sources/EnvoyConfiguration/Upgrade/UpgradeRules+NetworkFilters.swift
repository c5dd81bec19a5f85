// Network filters of the v2 age.

extension UpgradeRules {
  /// `idle_timeout` moved into `common_http_protocol_options`.
  static func connectionManager(_ entries: inout Entries, in scope: Scope) {
    guard let index = index(of: "idle_timeout", entries) else { return }
    let old = entries.remove(at: index)
    guard let options = self.index(of: "common_http_protocol_options", entries) else {
      scope.changed("`idle_timeout` is now `common_http_protocol_options.idle_timeout`", old)
      entries.append(
        .init(
          key: "common_http_protocol_options", position: old.position,
          value: mapping("idle_timeout", old.value)))
      return
    }
    var fields = entries[options].value.entries ?? []
    if has("idle_timeout", fields) {
      scope.changed(
        "`idle_timeout` is ignored beside `common_http_protocol_options.idle_timeout`", old)
      return
    }
    scope.changed("`idle_timeout` is now `common_http_protocol_options.idle_timeout`", old)
    fields.append(.init(key: "idle_timeout", position: old.position, value: old.value))
    entries[options].value.content = .mapping(fields)
  }

  /// `deprecated_v1: {routes: [{cluster: ...}]}` is `cluster` where it is one route for every
  /// connection; with conditions it has no counterpart.
  static func tcpProxy(_ entries: inout Entries, in scope: Scope) {
    guard let index = index(of: "deprecated_v1", entries) else { return }
    let old = entries.remove(at: index)
    guard let routes = old.value["routes"]?.elements, routes.count == 1,
      let fields = routes[0].entries,
      fields.count == 1, fields[0].key == "cluster", !has("cluster", entries)
    else {
      scope.refused(
        "`deprecated_v1` of the v2 API is not supported with several routes or conditions; use "
          + "filter chain matches",
        old)
      return
    }
    scope.changed("`deprecated_v1.routes` is now `cluster`", old)
    entries.append(.init(key: "cluster", position: old.position, value: fields[0].value))
  }
}
