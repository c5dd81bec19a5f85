// `/plugins` and `/plugins/reload`: Martlet's own, Envoy has neither.

extension AdminHandler {
  func plugins() -> AdminResponse {
    let list = source.plugins().map { plugin in
      JSONValue.object([
        .init("id", .string(plugin.id)), .init("version", .string(plugin.version)),
        .init("sha256", .string(plugin.hash)), .init("path", .string(plugin.path)),
        .init("abi", .string(plugin.abi)), .init("state", .string(state(plugin))),
        .init("crashes", .array(plugin.crashes.map(crash))),
        .init("filters", .array(plugin.filters.map(filter))),
        .init("formatters", .array(plugin.formatters.map(formatter))),
        .init("operator_uses", .integer(UInt64(plugin.operatorUses))),
        .init("configurations", .integer(UInt64(plugin.configurations))),
        .init("streams_active", .integer(plugin.streamsActive)),
        .init("streams_total", .integer(plugin.streamsTotal)),
        .init("bytes_held", .integer(UInt64(max(0, plugin.bytesHeld)))),
        .init("functions", .array(plugin.functions.map(function))),
      ])
    }
    return AdminResponse(.json, body: JSONValue.object([.init("plugins", .array(list))]).pretty)
  }

  private func state(_ plugin: PluginInformation) -> String {
    switch plugin.quarantine {
    case "": plugin.isPresent ? "serving" : "draining"
    case "FAIL_OPEN": "quarantined, failing open"
    default: "quarantined, failing closed"
    }
  }

  private func crash(_ crash: PluginInformation.Crash) -> JSONValue {
    .object([
      .init("filter", .string(crash.filter)), .init("function", .string(crash.function)),
      .init("seconds_ago", .integer(crash.seconds)),
    ])
  }

  private func filter(_ filter: PluginInformation.Filter) -> JSONValue {
    .object([
      .init("kind", .string(filter.kind)), .init("name", .string(filter.name)),
      .init("types", .array(filter.types.map { .string($0) })),
      .init("route_types", .array(filter.routeTypes.map { .string($0) })),
    ])
  }

  private func function(_ function: PluginInformation.Function) -> JSONValue {
    .object([
      .init("filter", .string(function.filter)), .init("function", .string(function.name)),
      .init("calls", .integer(function.calls)), .init("time_ns", .integer(function.time)),
      .init("over_budget", .integer(function.overBudget)),
      .init("allocated_bytes", .integer(function.bytesAllocated)),
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
