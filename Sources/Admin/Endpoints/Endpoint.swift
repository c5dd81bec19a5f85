// The table of what the admin API offers. The help page, the home page and the dispatch are all
// made from it, so that none of them can forget an endpoint.

/// One path of the admin API.
enum Endpoint: String, CaseIterable {
  case home = "/"
  case clusters = "/clusters"
  case help = "/help"
  case listeners = "/listeners"
  case quit = "/quitquitquit"
  case ready = "/ready"
  case runtime = "/runtime"
  case runtimeModify = "/runtime_modify"
  case serverInfo = "/server_info"
  case stats = "/stats"
  case prometheus = "/stats/prometheus"

  /// Changes something: POST only.
  var mutates: Bool { self == .quit || self == .runtimeModify }

  /// Its parameters are not a fixed set.
  var takesAnyParameter: Bool { self == .ready || self == .runtimeModify }

  var help: String {
    switch self {
    case .home: "Admin home page"
    case .clusters: "upstream cluster status"
    case .help: "print out list of admin commands"
    case .listeners: "print listener info"
    case .quit: "exit the server"
    case .ready: "print server state, return 200 if LIVE, otherwise return 503"
    case .runtime: "print runtime values"
    case .runtimeModify: "Adds or modifies runtime values as passed in query parameters"
    case .serverInfo: "print server version/status information"
    case .stats: "print server stats"
    case .prometheus: "print server stats in prometheus format"
    }
  }

  /// Query parameters and what they mean. Others are refused, so that a typing error or a
  /// parameter of Envoy's that we lack never passes for an answer. `/ready` takes anything:
  /// health checkers add what they like.
  var parameters: [(name: String, help: String)] {
    switch self {
    case .home, .help, .quit, .ready, .runtime, .runtimeModify, .serverInfo: []
    case .listeners: [("format", "File format to use; One of (text, json)")]
    case .clusters:
      [
        ("filter", "Regular expression (POSIX extended) for filtering clusters by name"),
        ("format", "File format to use; One of (text, json)"),
      ]
    case .stats:
      [
        ("usedonly", "Only include stats that are not zero"),
        ("filter", "Regular expression (POSIX extended) for filtering stats"),
        ("invert_filter", "Invert the filter regex"),
        ("format", "Format to use; One of (text, json, prometheus)"),
        ("type", "Stat types to include.; One of (All, Counters, Gauges)"),
      ]
    case .prometheus:
      [
        ("usedonly", "Only include stats that are not zero"),
        ("filter", "Regular expression (POSIX extended) for filtering stats"),
        ("invert_filter", "Invert the filter regex"),
        ("type", "Stat types to include.; One of (All, Counters, Gauges)"),
      ]
    }
  }

  /// `admin commands are:` and a line each, parameters below.
  static var helpText: String {
    var out = "admin commands are:\n"
    for endpoint in allCases {
      out += "  \(endpoint.rawValue)\(endpoint.mutates ? " (POST)" : ""): \(endpoint.help)\n"
      for parameter in endpoint.parameters { out += "      \(parameter.name): \(parameter.help)\n" }
    }
    return out
  }
}
