// Listeners and filter chains of the v2 age.

extension UpgradeRules {
  static func listener(_ entries: inout Entries, in scope: Scope) {
    bindToPort(&entries, in: scope)
    reusePort(&entries, in: scope)
    proxyProtocol(&entries, in: scope)
  }

  /// `deprecated_v1: {bind_to_port: ...}` moved up by one level.
  private static func bindToPort(_ entries: inout Entries, in scope: Scope) {
    guard let index = index(of: "deprecated_v1", entries),
      let fields = entries[index].value.entries,
      fields.allSatisfy({ $0.key == "bind_to_port" || $0.key == "bindToPort" })
    else { return }
    let old = entries.remove(at: index)
    scope.changed("`deprecated_v1.bind_to_port` is now `bind_to_port`", old)
    if let value = fields.first?.value, !has("bind_to_port", entries) {
      entries.append(.init(key: "bind_to_port", position: old.position, value: value))
    }
  }

  private static func reusePort(_ entries: inout Entries, in scope: Scope) {
    guard let index = index(of: "reuse_port", entries) else { return }
    if has("enable_reuse_port", entries) {
      // Envoy looks at the new field only.
      scope.changed("`reuse_port` is ignored beside `enable_reuse_port`", entries[index])
      entries.remove(at: index)
    } else {
      scope.changed("`reuse_port` is now `enable_reuse_port`", entries[index])
      entries[index].key = "enable_reuse_port"
    }
  }

  /// `use_proxy_proto` of the filter chains is a listener filter now. It stands for the whole
  /// listener, so the chains must agree.
  private static func proxyProtocol(_ entries: inout Entries, in scope: Scope) {
    guard let index = index(of: "filter_chains", entries) else { return }
    var chains = entries[index].value.elements ?? [entries[index].value]
    var found: ConfigurationNode.Entry?
    var asking = 0
    for number in chains.indices {
      guard var fields = chains[number].entries,
        let field = self.index(of: "use_proxy_proto", fields)
      else { continue }
      guard fields[field].value.text.flatMap(YAMLScalar.boolean) == true else { continue }
      found = fields.remove(at: field)
      asking += 1
      chains[number].content = .mapping(fields)
    }
    guard let found else { return }
    entries[index].value = list(chains, at: entries[index].value.position)
    guard asking == chains.count else {
      scope.refused(
        "`use_proxy_proto` is set on some filter chains and not on others, which no listener filter can do",
        found)
      return
    }
    scope.changed(
      "`use_proxy_proto` is now the listener filter envoy.filters.listener.proxy_protocol", found)
    addProxyProtocolFilter(&entries, at: found.position)
  }

  private static func addProxyProtocolFilter(_ entries: inout Entries, at position: SourcePosition) {
    let type =
      "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
    let filter = ConfigurationNode(
      .mapping([
        .init(
          key: "name", position: position,
          value: .text("envoy.filters.listener.proxy_protocol", at: position)),
        .init(
          key: "typed_config", position: position,
          value: mapping("@type", .text(type, at: position))),
      ]), at: position)
    if let index = index(of: "listener_filters", entries) {
      let filters = entries[index].value.elements ?? []
      entries[index].value = list([filter] + filters, at: entries[index].value.position)
    } else {
      entries.append(
        .init(key: "listener_filters", position: position, value: list([filter], at: position)))
    }
  }
}
