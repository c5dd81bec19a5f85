// `/server_info`: version, state, age, flags and node of this process.

extension AdminHandler {
  func serverInfo() -> AdminResponse {
    let info = source.serverInformation()
    let uptime = JSONValue.string("\(info.uptime.components.seconds)s")
    let locality = JSONValue.object([
      .init("region", .string(info.node.region)), .init("zone", .string(info.node.zone)),
      .init("sub_zone", .string(info.node.subZone)),
    ])
    let node = JSONValue.object([
      .init("id", .string(info.node.id)), .init("cluster", .string(info.node.cluster)),
      .init("locality", locality), .init("user_agent_name", .string("martlet")),
      .init("user_agent_version", .string(info.version)),
    ])
    let body = JSONValue.object([
      .init("version", .string(info.version)),
      .init("state", .string(info.state.name)),
      .init("uptime_current_epoch", uptime),
      .init("uptime_all_epochs", uptime),
      // What Envoy says where hot restart is off.
      .init("hot_restart_version", .string("disabled")),
      .init("command_line_options", .object(info.commandLineOptions)),
      .init("node", node),
    ])
    return AdminResponse(.json, body: body.pretty)
  }
}
