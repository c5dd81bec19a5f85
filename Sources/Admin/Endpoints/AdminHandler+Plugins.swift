// `/plugins` and `/plugins/reload`: Martlet's own, Envoy has neither.

extension AdminHandler {
  func plugins() -> AdminResponse {
    let list = source.plugins().map { plugin in
      JSONValue.object([
        .init("id", .string(plugin.id)), .init("version", .string(plugin.version)),
        .init("sha256", .string(plugin.hash)), .init("path", .string(plugin.path)),
        .init("abi", .string(plugin.abi)), .init("state", .string(plugin.isPresent ? "serving" : "draining")),
        .init("filters", .array(plugin.filters.map(filter))),
        .init("formatters", .array(plugin.formatters.map(formatter))),
        .init("operator_uses", .integer(UInt64(plugin.operatorUses))),
        .init("configurations", .integer(UInt64(plugin.configurations))),
        .init("streams_active", .integer(plugin.streamsActive)),
        .init("streams_total", .integer(plugin.streamsTotal)),
        .init("bytes_held", .integer(UInt64(max(0, plugin.bytesHeld)))),
      ])
    }
    return AdminResponse(.json, body: JSONValue.object([.init("plugins", .array(list))]).pretty)
  }

  private func filter(_ filter: PluginInformation.Filter) -> JSONValue {
    .object([
      .init("kind", .string(filter.kind)), .init("name", .string(filter.name)),
      .init("types", .array(filter.types.map { .string($0) })),
      .init("route_types", .array(filter.routeTypes.map { .string($0) })),
    ])
  }

  private func formatter(_ formatter: PluginInformation.Formatter) -> JSONValue {
    .object([
      .init("name", .string(formatter.name)),
      .init("operators", .array(formatter.operators.map { .string($0) })),
      .init("types", .array(formatter.types.map { .string($0) })),
    ])
  }

  /// Answers when it is done, or says line by line why not: then nothing has changed.
  func reloadPlugins() -> AdminResponse {
    let problems = source.reloadPlugins()
    if problems.isEmpty { return AdminResponse(body: "OK\n") }
    return AdminResponse(status: 409, body: problems.joined(separator: "\n") + "\n")
  }
}
