// What a loader has to say about a file: one finding, with the place a person can go to.

/// One error or warning about a configuration.
public struct Diagnostic: Sendable, Hashable {
  public enum Severity: Sendable, Hashable { case warning, error }

  public let severity: Severity
  /// The file as it was named to the loader, or `--config-yaml`.
  public let file: String
  /// 1... Nil where the finding has no line (the file cannot be read).
  public let line: Int?
  /// Field names from the root, as `static_resources.listeners[0].name`. Empty: the file as a whole.
  public let path: String
  public let message: String

  public init(severity: Severity, file: String, line: Int?, path: String, message: String) {
    self.severity = severity
    self.file = file
    self.line = line
    self.path = path
    self.message = message
  }
}

extension Diagnostic: CustomStringConvertible {
  /// `FILE:LINE: path: message`, without the parts that are not known.
  public var description: String {
    var text = file
    if let line { text += ":\(line)" }
    text += ": "
    if !path.isEmpty { text += path + ": " }
    return text + message
  }
}

/// Why a configuration was not loaded.
public struct ConfigurationError: Error, Sendable {
  /// Every finding: errors first, in the order of the files and their lines; then the warnings.
  public let diagnostics: [Diagnostic]

  public init(diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }
}

extension ConfigurationError: CustomStringConvertible {
  public var description: String {
    diagnostics.map { ($0.severity == .warning ? "warning: " : "") + $0.description }
      .joined(separator: "\n")
  }
}
