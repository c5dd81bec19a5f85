// `/listeners`: where each listener is really bound, ports resolved.
import Model

extension AdminHandler {
  func listeners(_ request: AdminRequest) -> AdminResponse {
    let listeners = source.listeners()
    switch request.parameter("format") ?? "text" {
    case "text", "":
      let lines = listeners.flatMap { listener in
        listener.addresses.map { "\(listener.name)::\($0)\n" }
      }
      return AdminResponse(body: lines.joined())
    case "json":
      let statuses = listeners.map { listener -> JSONValue in
        var members = [JSONValue.Member("name", .string(listener.name))]
        if let main = listener.addresses.first {
          members.append(.init("local_address", Self.json(main)))
        }
        if listener.addresses.count > 1 {
          let others = listener.addresses.dropFirst().map(Self.json)
          members.append(.init("additional_local_addresses", .array(others)))
        }
        return .object(members)
      }
      return AdminResponse(
        .json, body: JSONValue.object([.init("listener_statuses", .array(statuses))]).pretty)
    default: return .badRequest("usage: /listeners?format=(json|text)\n\n")
    }
  }

  /// `config.core.v3.Address`.
  static func json(_ address: SocketAddress) -> JSONValue {
    switch address {
    case .ip(let ip, let port):
      .object([
        .init(
          "socket_address",
          .object([
            .init("address", .string("\(ip)")), .init("port_value", .integer(UInt64(port))),
          ]))
      ])
    case .unix, .unixAbstract:
      .object([.init("pipe", .object([.init("path", .string("\(address)"))]))])
    }
  }
}
