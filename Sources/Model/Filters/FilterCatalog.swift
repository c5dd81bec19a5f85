// What the reader of configurations asks of the plugin host: which filters there are, and to make one
// of a configuration. The two know each other by this file alone.

/// `formatter`: operators of format strings, which share a configuration.
public enum FilterKind: String, Hashable, Sendable { case http, network, formatter }

/// A filter that some plugin has.
public struct FilterDescription: Sendable {
  public var kind: FilterKind
  /// Its usual name: `envoy.filters.http.fault`.
  public var name: String
  /// Full names of the messages that configure it.
  public var typeNames: [String]
  /// Of those that configure it on a route.
  public var routeTypeNames: [String]
  /// A serialized `google.protobuf.FileDescriptorSet`; empty: the plugin reads JSON.
  public var descriptors: [UInt8]
  public var isTerminal: Bool
  /// Of a formatter: the names of its operators.
  public var operators: [String]
  /// Each place of the configuration has a binding of its own.
  public var isStateful: Bool
  public var plugin: PluginVersion

  public init(
    kind: FilterKind, name: String, typeNames: [String], routeTypeNames: [String],
    descriptors: [UInt8], isTerminal: Bool, isStateful: Bool = false, operators: [String] = [],
    plugin: PluginVersion
  ) {
    self.operators = operators
    self.kind = kind
    self.name = name
    self.typeNames = typeNames
    self.routeTypeNames = routeTypeNames
    self.descriptors = descriptors
    self.isTerminal = isTerminal
    self.isStateful = isStateful
    self.plugin = plugin
  }
}

/// A configuration for a filter to be made of.
public struct FilterRequest: Hashable, Sendable {
  public enum Encoding: Hashable, Sendable { case json, protobuf }
  public var kind: FilterKind
  /// The filter's usual name.
  public var filter: String
  /// Its name in the chain.
  public var name: String
  public var typeName: String
  public var encoding: Encoding
  public var bytes: [UInt8]
  /// It is a route's configuration of the filter.
  public var isForRoute: Bool
  /// The `stat_prefix` of the connection manager whose chain it stands in; empty: it stands in none.
  public var managerPrefix: String
  public var node: Node
  /// Of a stateful filter: how many places before it, in the order of the configuration, ask for the
  /// same. A reload that changes nothing asks for the same again.
  public var occurrence = 0

  public init(
    kind: FilterKind, filter: String, name: String, typeName: String, encoding: Encoding, bytes: [UInt8],
    isForRoute: Bool, managerPrefix: String, node: Node
  ) {
    self.kind = kind
    self.filter = filter
    self.name = name
    self.typeName = typeName
    self.encoding = encoding
    self.bytes = bytes
    self.isForRoute = isForRoute
    self.managerPrefix = managerPrefix
    self.node = node
  }
}

/// Something that a filter says about its configuration.
public struct FilterProblem: Hashable, Sendable {
  /// Below the filter's configuration: `abort.percentage`, `mutations[2].header`; empty: the whole.
  public var path: String
  public var message: String
  public init(path: String, message: String) {
    self.path = path
    self.message = message
  }
}

/// What became of rate limit rules that a filter brings itself.
public struct RateLimitOutcome: Sendable {
  /// All of them, where there are no errors.
  public var rules: [RateLimit] = []
  /// Paths begin with the index of a rule: `[0].actions[1].generic_key`.
  public var errors: [FilterProblem] = []
  public var warnings: [FilterProblem] = []
  public init() {}
}

public struct FilterOutcome: Sendable {
  /// Nil: refused; `errors` says why.
  public var binding: FilterBinding?
  public var errors: [FilterProblem]
  public var warnings: [FilterProblem]
  public init(binding: FilterBinding?, errors: [FilterProblem], warnings: [FilterProblem]) {
    self.binding = binding
    self.errors = errors
    self.warnings = warnings
  }
}

/// The filters of a set of plugins.
public protocol FilterCatalog: AnyObject, Sendable {
  /// Every filter of every plugin that is loaded until now, each name and type once.
  var filters: [FilterDescription] { get }
  /// Why files were not taken, for a configuration that asks for what they may have held.
  var refusals: [String] { get }
  /// The folders that plugins are looked for in, for the same.
  var folders: [String] { get }
  /// Loads the plugins of the folders that the operator has named and those that a configuration names
  /// itself, before it is read.
  /// `policies`: what holds for those that have crashed; nil: what the part of the configuration before this
  /// one has said, or the defaults.
  /// - Returns: For each of them that cannot be loaded, its index and why.
  func load(_ plugins: [PluginReference], policies: PluginPolicies?) -> [(index: Int, message: String)]
  /// Loads those of the installation's own folders as well, for a configuration that names what nothing has
  /// until now: who needs none of them does not pay for them. False: there are no more filters for it. Only
  /// while a configuration is read, on its thread.
  func loadInstalled() -> Bool
  /// `operators`: what the filter's own formats may use.
  func make(_ request: FilterRequest, operators: (any FormatOperatorSource)?) -> FilterOutcome
  /// The operators of all formatters, with these configurations of them: the last of a formatter
  /// counts.
  func operators(_ configurations: [FilterBinding], node: Node) -> any FormatOperatorSource
}

/// Operators of plugins, for the formats of one configuration.
public protocol FormatOperatorSource: AnyObject, Sendable {
  var names: [String] { get }
  func has(_ name: String) -> Bool
  /// A use of an operator that there is.
  func make(_ name: String, argument: String?) throws(FormatError) -> FormatOperatorBinding
  /// The configuration that uses of an operator are made with now. Nil: it needs one and has none.
  func configuration(of name: String) -> FilterBinding?
}

/// A plugin that a bootstrap names by its file.
public struct PluginReference: Hashable, Sendable {
  public var path: String
  /// SHA-256 of the file in hexadecimal digits; empty: whatever it is.
  public var sha256: String
  public init(path: String, sha256: String) {
    self.path = path
    self.sha256 = sha256
  }
}
