// The configuration that runs, for `/config_dump`.
import Admin
import EnvoyConfiguration

extension ProxyServer {
  func configurationReport() -> ConfigurationReport {
    let (dump, loaded) = shared.withLock { ($0.dump, $0.loaded) }
    let contents = dump.contents()
    func resources(_ found: [ConfigurationDump.Resource]) -> [ConfigurationReport.Resource] {
      found.map { .init(name: $0.name, value: Self.json($0.value)) }
    }
    return ConfigurationReport(
      bootstrap: Self.json(contents.bootstrap), clusters: resources(contents.clusters),
      listeners: resources(contents.listeners), routes: resources(contents.routes), loaded: loaded)
  }

  private static func json(_ value: ConfigurationDump.Value) -> JSONValue {
    switch value {
    case .null: .null
    case .bool(let value): .bool(value)
    case .integer(let value): .integer(value)
    case .number(let value): .number(value)
    case .string(let text): .string(text)
    case .list(let elements): .array(elements.map(json))
    case .fields(let fields): .object(fields.map { .init($0.name, json($0.value)) })
    }
  }
}
