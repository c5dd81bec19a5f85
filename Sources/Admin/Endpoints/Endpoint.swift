// The table of what the admin API offers. The help page, the home page and the dispatch are all
// made from it, so that none of them can forget an endpoint.

/// One path of the admin API.
enum Endpoint: String, CaseIterable {
  case home = "/"
  case certs = "/certs"
  case clusters = "/clusters"
  case configDump = "/config_dump"
  case drainListeners = "/drain_listeners"
  case healthCheckFail = "/healthcheck/fail"
  case healthCheckOK = "/healthcheck/ok"
  case help = "/help"
  case hotRestartVersion = "/hot_restart_version"
  case listeners = "/listeners"
  case logging = "/logging"
  case memory = "/memory"
  case plugins = "/plugins"
  case pluginsReload = "/plugins/reload"
  case quit = "/quitquitquit"
  case ready = "/ready"
  case reopenLogs = "/reopen_logs"
  case resetCounters = "/reset_counters"
  case runtime = "/runtime"
  case runtimeModify = "/runtime_modify"
  case serverInfo = "/server_info"
  case stats = "/stats"
  case prometheus = "/stats/prometheus"

  /// Changes something: POST only.
  var mutates: Bool {
    switch self {
    case .drainListeners, .healthCheckFail, .healthCheckOK, .logging, .pluginsReload, .quit,
      .reopenLogs, .resetCounters, .runtimeModify:
      true
    default: false
    }
  }

  /// Parameters of any name: `/ready`'s, for health checkers add what they like; `/logging`'s are
  /// names of components.
  var takesAnyParameter: Bool { self == .ready || self == .logging || self == .runtimeModify }

  var help: String {
    switch self {
    case .home: "Admin home page"
    case .certs: "print certs on machine"
    case .clusters: "upstream cluster status"
    case .configDump: "dump current configuration"
    case .drainListeners: "drain listeners"
    case .healthCheckFail: "cause the server to fail health checks"
    case .healthCheckOK: "cause the server to pass health checks"
    case .hotRestartVersion: "print the hot restart compatibility version"
    case .logging: "query/change logging levels"
    case .memory: "print current allocation/heap usage"
    case .reopenLogs: "reopen access logs"
    case .resetCounters: "reset all counters to zero"
    case .help: "print out list of admin commands"
    case .listeners: "print listener info"
    case .plugins: "print loaded plugins"
    case .pluginsReload: "reload the configuration file and plugins"
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
  /// parameter of Envoy's that we lack never passes for an answer (see `takesAnyParameter`).
  var parameters: [(name: String, help: String)] {
    switch self {
    case .home, .help, .quit, .ready, .serverInfo, .certs, .healthCheckFail, .healthCheckOK,
      .hotRestartVersion, .memory, .plugins, .pluginsReload, .reopenLogs, .resetCounters, .runtime,
      .runtimeModify:
      []
    case .configDump:
      [
        (
          "resource",
          "The resource to dump; One of (static_clusters, static_listeners, static_route_configs, "
            + "static_endpoint_configs)"
        ),
        ("mask", "Fields to print, separated by commas; with resource, those of each element"),
        ("include_eds", "Dump the endpoints of the clusters as well"),
        ("name_regex", "Regular expression (RE2) that a resource's whole name matches"),
      ]
    case .drainListeners:
      [
        ("graceful", "Stop listening when the drain time is over, and not at once"),
        ("skip_exit", "Never stop listening"),
        ("inboundonly", "Drain the listeners with the traffic_direction INBOUND only"),
      ]
    case .logging:
      [
        ("level", "The level of all components"),
        ("paths", "Levels of several: name1:level1,name2:level2,..."),
        ("<name>", "The level of the component of this name"),
      ]
    case .listeners: [("format", "File format to use; One of (text, json)")]
    case .clusters:
      [
        ("filter", "Regular expression (RE2) for filtering clusters by name"),
        ("format", "File format to use; One of (text, json)"),
      ]
    case .stats:
      [
        ("usedonly", "Only include stats that are not zero"),
        ("filter", "Regular expression (RE2) for filtering stats"),
        ("invert_filter", "Invert the filter regex"),
        ("format", "Format to use; One of (text, json, prometheus)"),
        ("type", "Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)"),
        (
          "histogram_buckets",
          "Histogram bucket display mode; One of (cumulative, disjoint, detailed, summary)"
        ),
      ]
    case .prometheus:
      [
        ("usedonly", "Only include stats that are not zero"),
        ("filter", "Regular expression (RE2) for filtering stats"),
        ("invert_filter", "Invert the filter regex"),
        ("type", "Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)"),
        ("text_readouts", "Taken for Envoy's sake; there are no text readouts"),
        ("histogram_buckets", "Histogram bucket display mode; One of (cumulative, summary)"),
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
