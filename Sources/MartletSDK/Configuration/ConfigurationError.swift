// What is wrong with a configuration, and where.

/// Refuses a configuration: thrown by `FilterSettings.init` and by what decodes its message.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable {
  /// Where, as people write it: "abort.percentage", "mutations[2].header"; empty for the whole.
  public let path: String
  /// What was expected.
  public let message: String
  /// Whether the host knows already.
  let isReported: Bool

  /// `message` says what was expected, at `path`.
  public init(_ message: String, at path: String = "") {
    self.path = path
    self.message = message
    isReported = false
  }

  init(reportedAt path: String) {
    self.path = path
    message = ""
    isReported = true
  }

  public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}
