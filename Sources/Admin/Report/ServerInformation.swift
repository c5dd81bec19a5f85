// What `/server_info` shows, by the field names of `envoy.admin.v3.ServerInfo`.
public import Model

/// Version, age, options and node of this process.
public struct ServerInformation: Sendable {
  public let version: String
  public let state: ServerState
  public let uptime: Duration
  /// By Envoy's field names, in the order they are shown.
  public let commandLineOptions: [JSONValue.Member]
  public let node: Node

  public init(
    version: String, state: ServerState, uptime: Duration,
    commandLineOptions: [JSONValue.Member], node: Node
  ) {
    self.version = version
    self.state = state
    self.uptime = uptime
    self.commandLineOptions = commandLineOptions
    self.node = node
  }
}
