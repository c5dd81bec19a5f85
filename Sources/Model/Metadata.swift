// Metadata (`config.core.v3.Metadata`): free data of clusters, endpoints, routes, listeners, by the
// names of the filters that it is meant for. And how values, there or set while the proxy runs, are
// compared (`type.matcher.v3`).

public struct Metadata: Hashable, Sendable {
  /// By namespace; each is an object.
  public var namespaces: [String: [String: MetadataValue]]
  public init(namespaces: [String: [String: MetadataValue]] = [:]) { self.namespaces = namespaces }
  public var isEmpty: Bool { namespaces.isEmpty }
}

/// A value as JSON has them.
public indirect enum MetadataValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case list([MetadataValue])
  case object([String: MetadataValue])
}

/// `type.matcher.v3.MetadataMatcher`.
public struct MetadataMatcher: Hashable, Sendable {
  public var namespace: String
  /// Keys on the way to the value, one at least.
  public var path: [String]
  public var value: ValueMatcher
  public var invert = false
  public init(namespace: String, path: [String], value: ValueMatcher) {
    self.namespace = namespace
    self.path = path
    self.value = value
  }
}

/// `type.matcher.v3.ValueMatcher`. A value of another kind never matches.
public indirect enum ValueMatcher: Hashable, Sendable {
  case null
  case number(Double)
  /// `lower ..< upper`
  case range(lower: Double, upper: Double)
  case string(StringMatcher)
  case bool(Bool)
  /// There is a value, which is no list and no object. False: never.
  case present(Bool)
  /// A list with an element that matches.
  case element(ValueMatcher)
  /// One of them matches.
  case any([ValueMatcher])
}

/// `type.matcher.v3.FilterStateMatcher`: an object of the filter state, as text.
public struct FilterStateMatcher: Hashable, Sendable {
  public var key: String
  public var text: StringMatcher
  public init(key: String, text: StringMatcher) {
    self.key = key
    self.text = text
  }
}
