// Envoy's flags that Martlet does not have. They are refused like any unknown flag, but with a
// reason, so that who brings an Envoy command line knows what to change.

/// Flags that are known and refused.
public enum UnsupportedFlags {
  private static let reasons: [String: String] = [
    "restart-epoch": "there is no hot restart",
    "hot-restart-version": "there is no hot restart",
    "skip-hot-restart-on-no-parent": "there is no hot restart",
    "skip-hot-restart-parent-stats": "there is no hot restart",
    "socket-path": "there is no hot restart",
    "socket-mode": "there is no hot restart",
    "allow-unknown-fields": "use --allow-unknown-static-fields",
    "reject-unknown-dynamic-fields": "there is no dynamic configuration yet",
    "ignore-unknown-dynamic-fields": "there is no dynamic configuration yet",
    "skip-deprecated-logs": "use --component-log-level config:error",
    "enable-fine-grain-logging": "use --component-log-level",
    "log-format-escaped": "use %_ instead of %v in --log-format",
    "log-stacktrace-single-entry": "stack traces are not logged",
    "file-flush-min-size-kb": "access logs are written at 64 KiB",
    "cpuset-threads": "the default of --concurrency counts the processors of the cpuset",
    "disable-extensions": "leave the extension out of the configuration",
    "enable-mutex-tracing": "workers take no locks",
    "enable-core-dump": "use ulimit -c",
    "stats-tag": "stats tags are not supported yet",
  ]

  /// What to say where one of them is among the arguments.
  public static func refusal(of arguments: [String]) -> String? {
    for argument in arguments where argument.hasPrefix("--") {
      let name = String(argument.dropFirst(2).prefix { $0 != "=" })
      if let reason = reasons[name] { return "--\(name) is not supported: \(reason)" }
    }
    return nil
  }
}
