// `--log-level` and `--component-log-level`, from text.
public import DataPlane

/// Reads the names of levels and components.
public enum LogLevels {
  /// Envoy's names: `trace`, `debug`, `info`, `warning` or `warn`, `error`, `critical`, `off`.
  public static func level(_ name: String) throws(OptionError) -> LogLevel {
    if name == "warn" { return .warning }
    guard let level = LogLevel.allCases.first(where: { $0.name == name }) else {
      throw OptionError("invalid log level specified '\(name)'")
    }
    return level
  }

  /// `upstream:debug,config:trace`.
  public static func components(
    _ text: String
  ) throws(OptionError) -> [LogComponent: LogLevel] {
    var result: [LogComponent: LogLevel] = [:]
    for item in text.split(separator: ",", omittingEmptySubsequences: false) where !text.isEmpty {
      let parts = item.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw OptionError(
          "component log level not correctly specified '\(item)': expected component:level")
      }
      guard let component = LogComponent(envoyName: String(parts[0])) else {
        let known = LogComponent.allCases.map(\.rawValue).joined(separator: ", ")
        throw OptionError("invalid component specified '\(parts[0])': known are \(known)")
      }
      result[component] = try level(String(parts[1]))
    }
    return result
  }
}

extension LogLevel {
  /// As `%l` writes it and flags read it.
  public var name: String {
    switch self {
    case .trace: "trace"
    case .debug: "debug"
    case .info: "info"
    case .warning: "warning"
    case .error: "error"
    case .critical: "critical"
    case .off: "off"
    }
  }
}
