// The parts of the proxy that log under a name of their own (`%n`, `--component-log-level`).

/// A component of the log.
public enum LogComponent: String, Sendable, CaseIterable {
  case main, connection, http, router, upstream, filter, config, admin

  /// Also takes those of Envoy's names that have one meaning here, so that a command line written
  /// for Envoy (`misc:error`, which silences warnings of deprecated fields) does the same.
  public init?(envoyName: String) {
    switch envoyName {
    case "misc": self = .config
    case "conn_handler": self = .connection
    case "pool", "client": self = .upstream
    default: self.init(rawValue: envoyName)
    }
  }
}
