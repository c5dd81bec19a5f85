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
  /// What a function of the plugin has cost, over all threads.
  public struct Function: Sendable {
    /// By its name in the chain; empty: a function of the plugin itself.
    public var filter: String
    /// As its table in martlet.h calls it.
    public var name: String
    public var calls: UInt64
    /// Nanoseconds, estimated of one call in 256.
    public var time: UInt64
    /// Calls that were longer than the plugin's budget.
    public var overBudget: UInt64
    /// Of the host's allocator, during its calls.
    public var bytesAllocated: UInt64

    public init(
      filter: String, name: String, calls: UInt64, time: UInt64, overBudget: UInt64, bytesAllocated: UInt64
    ) {
      self.filter = filter
      self.name = name
      self.calls = calls
      self.time = time
      self.overBudget = overBudget
      self.bytesAllocated = bytesAllocated
    }
  }
  public struct Crash: Sendable {
    public var filter: String
    public var function: String
    /// How long ago.
    public var seconds: UInt64
    public init(filter: String, function: String, seconds: UInt64) {
      self.filter = filter
      self.function = function
      self.seconds = seconds
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
  /// It has crashed too often, and its code does not run: `FAIL_CLOSED` or `FAIL_OPEN`; empty: it runs.
  public var quarantine: String
  /// Crashes of processes before this one that it is blamed for.
  public var crashes: [Crash]
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
  /// Those that were called.
  public var functions: [Function]

  public init(
    id: String, version: String, hash: String, path: String, abi: String, isPresent: Bool,
    filters: [Filter], formatters: [Formatter], configurations: Int, operatorUses: Int,
    streamsActive: UInt64, streamsTotal: UInt64, bytesHeld: Int,
    functions: [Function] = [], quarantine: String = "", crashes: [Crash] = []
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
    self.functions = functions
    self.quarantine = quarantine
    self.crashes = crashes
  }
}
