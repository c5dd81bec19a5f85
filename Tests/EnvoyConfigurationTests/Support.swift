// What the tests share: loading text, and looking at what came of it.

import EnvoyConfiguration
import Foundation
import Model
import Testing

/// Loads text that must be right.
func load(_ yaml: String, overlay: String? = nil, allowUnknown: Bool = false) throws
  -> LoadedConfiguration
{
  var options = ConfigurationLoader.Options()
  options.allowUnknownStaticFields = allowUnknown
  guard let overlay else {
    return try ConfigurationLoader(options: options).load(yaml: yaml, name: "test.yaml")
  }
  let path = try temporaryFile(yaml, ending: "yaml")
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try ConfigurationLoader(options: options).load(path: path, overlay: overlay)
}

/// The findings of text that must be wrong; empty where it loads.
func errors(_ yaml: String) -> [Diagnostic] {
  do {
    _ = try ConfigurationLoader().load(yaml: yaml, name: "test.yaml")
    return []
  } catch {
    return error.diagnostics.filter { $0.severity == .error }
  }
}

/// The findings as `LINE: path: message`.
func errorLines(_ yaml: String) -> [String] {
  errors(yaml).map {
    "\($0.line.map(String.init) ?? "-"): \($0.path.isEmpty ? "" : $0.path + ": ")\($0.message)"
  }
}

func warningLines(_ yaml: String, allowUnknown: Bool = false) throws -> [String] {
  try load(yaml, allowUnknown: allowUnknown).warnings.map {
    "\($0.line ?? 0): \($0.path): \($0.message)"
  }
}

func temporaryFile(_ text: String, ending: String) throws -> String {
  let path = NSTemporaryDirectory() + "/martlet-\(UUID().uuidString).\(ending)"
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  return path
}

func input(_ name: String) throws -> String {
  let url = try #require(Bundle.module.url(forResource: "Inputs/\(name)", withExtension: nil))
  return try String(contentsOf: url, encoding: .utf8)
}

/// Pieces of configurations, on one line each, to be put together.
enum Piece {
  static let extensions = "type.googleapis.com/envoy.extensions.filters"
  static let anyAddress = "{socket_address: {address: 127.0.0.1, port_value: 0}}"
  static let echo = #"{name: echo, typed_config: {"@type": \#(extensions).network.echo.v3.Echo}}"#
  static let router =
    #"{name: router, typed_config: {"@type": \#(extensions).http.router.v3.Router}}"#

  /// A listener with an echo chain and further fields.
  static func listener(_ fields: String = "", name: String = "l") -> String {
    "{name: \(name), address: \(anyAddress), filter_chains: [{filters: "
      + "[\(echo)]}]\(fields.isEmpty ? "" : ", " + fields)}"
  }

  static func listeners(_ listeners: String...) -> String {
    "static_resources: {listeners: [\(listeners.joined(separator: ", "))]}"
  }

  /// A listener with these filter chains.
  static func chains(_ chains: String) -> String {
    "static_resources: {listeners: [{name: l, address: \(anyAddress), filter_chains: [\(chains)]}]}"
  }

  static func filters(_ filters: String) -> String { chains("{filters: [\(filters)]}") }

  static func networkFilter(_ type: String, _ fields: String) -> String {
    #"{name: f, typed_config: {"@type": "#
      + #"\#(extensions).network.\#(type)\#(fields.isEmpty ? "" : ", " + fields)}}"#
  }

  static func manager(_ fields: String) -> String {
    "static_resources: {clusters: [{name: c}, {name: d}], listeners: [{name: l, address: "
      + "\(anyAddress), filter_chains: [{filters: ["
      + networkFilter(
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix: h, http_filters: [\(router)], \(fields)")
      + "]}]}]}"
  }

  static func virtualHosts(_ hosts: String) -> String {
    manager("route_config: {virtual_hosts: [\(hosts)]}")
  }
  static func routes(_ routes: String) -> String {
    virtualHosts("{name: v, domains: ['*'], routes: [\(routes)]}")
  }
  static func clusters(_ clusters: String) -> String {
    "static_resources: {clusters: [\(clusters)]}"
  }
}

extension ProxyConfiguration {
  /// The only connection manager of the only listener.
  var manager: HTTPConnectionManager? {
    guard
      case .httpConnectionManager(let manager)? = listeners.first?.filterChains.first?.filters.last
    else { return nil }
    return manager
  }

  var firstRoute: Route? { manager?.routes.virtualHosts.first?.routes.first }
}
