// What is known of crashes in plugins before this process was started: its supervisor remembers them, and
// one description of each plugin that was loaded, so that a filter which must not run any more is still
// known by its names and types.

public struct CrashHistory: Sendable {
  public struct Crash: Sendable {
    /// SHA-256 of the file, in hexadecimal digits.
    public var hash: String
    /// The plugin's id; the file's path where it had not said it yet.
    public var plugin: String
    public var version: String
    /// By its name in the chain; empty: a function of the plugin itself.
    public var filter: String
    public var function: String
    public var at: ContinuousClock.Instant

    public init(
      hash: String, plugin: String, version: String, filter: String, function: String,
      at: ContinuousClock.Instant
    ) {
      self.hash = hash
      self.plugin = plugin
      self.version = version
      self.filter = filter
      self.function = function
      self.at = at
    }
  }

  /// The latest last.
  public var crashes: [Crash]
  public var remember: @Sendable (_ key: String, [UInt8]) -> Void
  /// Nil: nothing is known by that key.
  public var recall: @Sendable (_ key: String) -> [UInt8]?

  public init(
    crashes: [Crash] = [], remember: @escaping @Sendable (String, [UInt8]) -> Void = { _, _ in },
    recall: @escaping @Sendable (String) -> [UInt8]? = { _ in nil }
  ) {
    self.crashes = crashes
    self.remember = remember
    self.recall = recall
  }
}
