// What `/plugins` shows of one loaded version of a plugin.

public struct PluginInformation: Sendable {
  public struct Filter: Sendable {
    /// `http` or `network`.
    public var kind: String
    public var name: String
    public var types: [String]
    public var routeTypes: [String]

    public init(kind: String, name: String, types: [String], routeTypes: [String]) {
      self.kind = kind
      self.name = name
      self.types = types
      self.routeTypes = routeTypes
    }
  }
  /// Format operators that share a configuration.
  public struct Formatter: Sendable {
    public var name: String
    public var operators: [String]
    public var types: [String]

    public init(name: String, operators: [String], types: [String]) {
      self.name = name
      self.operators = operators
      self.types = types
    }
  }
  public var id: String
  public var version: String
  /// SHA-256 of its file, in hexadecimal digits.
  public var hash: String
  /// Where it was loaded from.
  public var path: String
  /// Major and minor of the interface that it was built for.
  public var abi: String
  /// New streams take it; otherwise it serves what began with it.
  public var isPresent: Bool
  public var filters: [Filter]
  public var formatters: [Formatter]
  /// Filters in configurations, and routes' configurations of them.
  public var configurations: Int
  /// Of its format operators in formats that stand; the same one with the same argument counts once.
  public var operatorUses: Int
  /// Streams and connections, each counted once for each of the plugin's filters in its chain.
  public var streamsActive: UInt64
  public var streamsTotal: UInt64
  /// Of the host's allocator.
  public var bytesHeld: Int

  public init(
    id: String, version: String, hash: String, path: String, abi: String, isPresent: Bool,
    filters: [Filter], formatters: [Formatter], configurations: Int, operatorUses: Int,
    streamsActive: UInt64, streamsTotal: UInt64, bytesHeld: Int
  ) {
    self.id = id
    self.version = version
    self.hash = hash
    self.path = path
    self.abi = abi
    self.isPresent = isPresent
    self.filters = filters
    self.formatters = formatters
    self.operatorUses = operatorUses
    self.configurations = configurations
    self.streamsActive = streamsActive
    self.streamsTotal = streamsTotal
    self.bytesHeld = bytesHeld
  }
}
