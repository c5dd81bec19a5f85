// From a request to an answer, without a socket: all of the admin API's behaviour that a test
// wants to see. `AdminServer` puts it behind HTTP.

/// Answers admin requests.
public struct AdminHandler: Sendable {
  let source: AdminSource

  public init(source: AdminSource) { self.source = source }

  public func respond(to request: AdminRequest) -> AdminResponse {
    guard let endpoint = Endpoint(rawValue: request.path) else {
      return AdminResponse(status: 404, body: "invalid path. " + Endpoint.helpText)
    }
    if endpoint.mutates {
      guard request.method == "POST" else {
        return AdminResponse(
          status: 405, body: "Method \(request.method) not allowed, POST required.")
      }
      // A web page elsewhere may make a browser POST here; it cannot hide where it comes from.
      if let origin = request.originAuthority, origin != request.authority {
        return AdminResponse(status: 403, body: "cross-origin request refused\n")
      }
    }
    if !endpoint.takesAnyParameter {
      for parameter in request.parameters
      where !endpoint.parameters.contains(where: { $0.name == parameter.name }) {
        return .badRequest("unknown parameter '\(parameter.name)' of \(request.path)\n")
      }
    }
    return answer(endpoint, request)
  }

  private func answer(_ endpoint: Endpoint, _ request: AdminRequest) -> AdminResponse {
    switch endpoint {
    case .home: return home()
    case .help: return AdminResponse(body: Endpoint.helpText)
    case .ready:
      let state = source.state()
      return AdminResponse(status: state == .live ? 200 : 503, body: state.name + "\n")
    case .quit:
      var response = AdminResponse(body: "OK\n")
      response.afterwards = .quit
      return response
    case .plugins: return plugins()
    case .pluginsReload: return reloadPlugins()
    case .runtime: return runtime()
    case .runtimeModify: return modifyRuntime(request)
    case .certs: return certificates()
    case .configDump: return configDump(request)
    case .drainListeners: return drainListeners(request)
    case .healthCheckFail, .healthCheckOK:
      source.setHealthCheckFailed(endpoint == .healthCheckFail)
      return AdminResponse(body: "OK\n")
    // What Envoy says where hot restart is off.
    case .hotRestartVersion: return AdminResponse(body: "disabled")
    case .logging: return logging(request)
    case .memory: return memory()
    case .reopenLogs:
      source.reopenLogs()
      return AdminResponse(body: "OK\n")
    case .resetCounters:
      source.resetCounters()
      return AdminResponse(body: "OK\n")
    case .serverInfo: return serverInfo()
    case .listeners: return listeners(request)
    case .clusters: return clusters(request)
    case .stats: return stats(request, format: request.parameter("format"))
    case .prometheus: return stats(request, format: "prometheus")
    }
  }

  /// The home page: a table of links, and a button where a POST is due.
  private func home() -> AdminResponse {
    var out = """
      <!DOCTYPE html>
      <html lang='en'>
      <head><title>Martlet Admin</title></head>
      <body>
      <table>
      <tr><th>Command</th><th>Description</th></tr>

      """
    for endpoint in Endpoint.allCases where endpoint != .home {
      let path = endpoint.rawValue
      let name = String(path.dropFirst())
      let command =
        endpoint.mutates
        ? "<form action='\(path)' method='post'><button>\(name)</button></form>"
        : "<a href='\(path)'>\(name)</a>"
      out += "<tr><td>\(command)</td><td>\(endpoint.help)</td></tr>\n"
    }
    return AdminResponse(.html, body: out + "</table>\n</body>\n</html>\n")
  }
}
