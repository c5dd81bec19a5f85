// One version of a plugin: a file's content, loaded once. What its filters have asked for by number
// (header names, formats, expressions, runtime keys, metrics) stands here: it only ever grows, so that
// a number means the same on every worker for as long as the plugin is loaded.

public final class PluginVersion: Sendable {
  /// In reverse domain notation.
  public let id: String
  /// As the plugin says it.
  public let version: String
  /// SHA-256 of the file, 64 hexadecimal digits.
  public let hash: String
  /// The plugin's own handle.
  public let handle: UInt64
  private let state = Locked(PluginResources())

  public init(id: String, version: String, hash: String, handle: UInt64) {
    self.id = id
    self.version = version
    self.hash = hash
    self.handle = handle
  }

  /// Everything defined until now.
  public var resources: PluginResources { state.withLock { $0 } }

  /// Changes what is defined. On the control thread.
  public func define<Result>(_ body: (inout PluginResources) -> Result) -> Result where Result: Sendable {
    state.withLock { resources in
      let result = body(&resources)
      return result
    }
  }
}

/// The definitions of one plugin version, each list in the order of its numbers.
public struct PluginResources: Sendable {
  /// Of each list. More is a mistake of the plugin.
  public static let limit = 65_535

  /// Header names in lower case.
  public private(set) var headers = NumberedList<[UInt8]>()
  public private(set) var formats = NumberedFormats()
  public private(set) var expressions = NumberedList<[UInt8]>()
  public private(set) var runtimeKeys = NumberedList<String>()
  public private(set) var metrics = NumberedList<PluginMetric>()
  /// Lists of rate limit rules.
  public private(set) var rateLimits = NumberedList<[RateLimit]>()

  public init() {}

  // Nil: there are too many.
  public mutating func header(_ name: [UInt8]) -> Int? { headers.number(name) }
  public mutating func expression(_ pattern: [UInt8]) -> Int? { expressions.number(pattern) }
  public mutating func runtimeKey(_ key: String) -> Int? { runtimeKeys.number(key) }
  public mutating func rateLimits(_ rules: [RateLimit]) -> Int? { rateLimits.number(rules) }

  public mutating func format(_ format: FormatString) -> Int? { formats.number(format) }
  /// Formats that `format` has counted, each once for a time that it was asked for. What nobody wants any
  /// more goes.
  public mutating func release(formats numbers: [Int]) -> [FormatNumber] {
    numbers.compactMap { formats.release($0) }
  }

  /// `.failure`: a metric of that name and another kind or other labels is there.
  public mutating func metric(_ metric: PluginMetric) -> MetricDefinition {
    if let known = metrics.values.first(where: { $0.name == metric.name && $0.manager == metric.manager }),
      known.kind != metric.kind
    {
      return .conflict
    }
    guard let number = metrics.number(metric) else { return .full }
    return .number(number)
  }

  public enum MetricDefinition: Sendable, Equatable {
    case number(Int)
    case conflict
    case full
  }
}

/// Values with numbers from 0, each value once.
public struct NumberedList<Value: Hashable & Sendable>: Sendable {
  public private(set) var values: [Value] = []
  private var numbers: [Value: Int] = [:]

  mutating func number(_ value: Value) -> Int? {
    if let known = numbers[value] { return known }
    guard values.count < PluginResources.limit else { return nil }
    numbers[value] = values.count
    values.append(value)
    return values.count - 1
  }
}

/// A metric that a plugin has defined.
public struct PluginMetric: Hashable, Sendable {
  public enum Kind: Hashable, Sendable { case counter, gauge, histogram }
  public var kind: Kind
  /// The connection manager's prefix that the name is relative to (`ingress` for `http.ingress.`); empty:
  /// the name is whole.
  public var manager: String
  public var name: String
  /// Not empty: a family, with a member for each set of label values.
  public var labels: [String]
  public init(kind: Kind, manager: String, name: String, labels: [String]) {
    self.kind = kind
    self.manager = manager
    self.name = name
    self.labels = labels
  }
}
