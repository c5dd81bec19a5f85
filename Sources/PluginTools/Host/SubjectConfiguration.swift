// The configuration of the filter that is looked at, as its author gave it, put into a small chain before a
// router (or an echo) that serves loopback alone.
import EnvoyConfiguration
import Model
import PluginHost

/// The filter, and what it is configured with.
struct Subject: Sendable {
  var name: String
  var kind: FilterKind
  var typeName: String?
  var isTerminal: Bool
  /// YAML or JSON of `typed_config`, with or without `@type`; empty: nothing.
  var configuration: String

  init(_ filter: PluginReport.Filter, configuration: String) {
    name = filter.name
    kind = filter.kind
    typeName = filter.typeNames.first
    isTerminal = filter.isTerminal
    self.configuration = configuration
  }

  /// The entry of a list of filters, at this indentation.
  private func entry(indent: Int, extra: String) -> String {
    let pad = String(repeating: " ", count: indent)
    var text = "\(pad)- name: \(JSONValue.string(name).text())\n"
    let lines = configuration.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
      .filter { $0.trimmed != "---" }
    guard typeName != nil || !lines.isEmpty else { return text }
    text += "\(pad)  typed_config:"
    let type = "type.googleapis.com/\(typeName ?? "google.protobuf.Struct")"
    let isTyped = configuration.contains("@type")
    let first = lines.first { !$0.trimmed.isEmpty && !$0.trimmed.hasPrefix("#") }
    if first?.trimmed.hasPrefix("{") == true {
      var body = lines.joined(separator: "\n\(pad)    ")
      let brace = body.firstIndex(of: "{") ?? body.startIndex
      let rest = body[body.index(after: brace)...]
      let isEmpty = rest.first { !$0.isWhitespace } == "}"
      let members = (isTyped ? [] : ["\"@type\": \"\(type)\""]) + (extra.isEmpty ? [] : ["\"\(extra)\": 1"])
      body =
        "{" + members.joined(separator: ", ") + (isEmpty || members.isEmpty ? "" : ", ") + String(rest)
      return text + " " + body + "\n"
    }
    text += "\n"
    if !isTyped { text += "\(pad)    \"@type\": \(type)\n" }
    if !extra.isEmpty { text += "\(pad)    \(extra): 1\n" }
    return text + lines.map { "\(pad)    \($0)\n" }.joined()
  }

  /// A whole configuration. `extra`: a field more in the filter's own. `isServing`: with a listener.
  func file(upstream: UInt16, dead: UInt16, extra: String = "") -> String {
    let types = "type.googleapis.com/envoy.extensions"
    var text = """
      node: {id: check, cluster: check}
      static_resources:
        listeners:
        - name: check
          address: {socket_address: {address: 127.0.0.1, port_value: 0}}
          filter_chains:
          - filters:

      """
    if kind == .network {
      text += entry(indent: 6, extra: extra)
      if !isTerminal {
        text += """
                - name: envoy.filters.network.echo
                  typed_config: {"@type": \(types).filters.network.echo.v3.Echo}

          """
      }
      return text
    }
    text += """
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": \(types).filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: check
                generate_request_id: false
                route_config:
                  name: check
                  virtual_hosts:
                  - name: check
                    domains: ["*"]
                    routes:
                    - {match: {prefix: /dead}, route: {cluster: dead}}
                    - match: {path: /direct}
                      direct_response: {status: 200, body: {inline_string: "an order\\n"}}
                    - {match: {prefix: /}, route: {cluster: upstream, timeout: 0s}}
                http_filters:

      """
    text += entry(indent: 10, extra: extra)
    text += """
                - name: envoy.filters.http.router
                  typed_config:
                    "@type": \(types).filters.http.router.v3.Router
                    suppress_envoy_headers: true
        clusters:

      """
    for (name, port) in [("upstream", upstream), ("dead", dead)] {
      text += """
          - name: \(name)
            load_assignment:
              cluster_name: \(name)
              endpoints:
              - lb_endpoints:
                - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: \(port)}}}

        """
    }
    return text
  }
}

extension String {
  /// Without white space at its ends.
  var trimmed: String {
    let space: (Character) -> Bool = \.isWhitespace
    guard let first = firstIndex(where: { !space($0) }), let last = lastIndex(where: { !space($0) }) else {
      return ""
    }
    return String(self[first...last])
  }
}

/// Passes a catalog on and remembers what was asked of one filter.
final class RecordingCatalog: FilterCatalog {
  private let inner: any FilterCatalog
  private let name: String
  private let last = Locked<(request: FilterRequest, operators: (any FormatOperatorSource)?)?>(nil)

  init(_ inner: any FilterCatalog, name: String) {
    self.inner = inner
    self.name = name
  }

  var filters: [FilterDescription] { inner.filters }
  var refusals: [String] { inner.refusals }
  var folders: [String] { inner.folders }
  func load(
    _ plugins: [PluginReference], policies: PluginPolicies?
  ) -> [(index: Int, message: String)] {
    inner.load(plugins, policies: policies)
  }
  func loadInstalled() -> Bool { inner.loadInstalled() }
  func make(_ request: FilterRequest, operators: (any FormatOperatorSource)?) -> FilterOutcome {
    if request.filter == name, !request.isForRoute { last.withLock { $0 = (request, operators) } }
    return inner.make(request, operators: operators)
  }
  func operators(_ configurations: [FilterBinding], node: Node) -> any FormatOperatorSource {
    inner.operators(configurations, node: node)
  }
  /// What the configuration that was read last asked for.
  var request: FilterRequest? { last.withLock { $0?.request } }
  /// What its formats may use.
  var operators: (any FormatOperatorSource)? { last.withLock { $0?.operators } }
}
