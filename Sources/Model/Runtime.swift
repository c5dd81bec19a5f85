// Runtime values: numbers, flags and shares that can change while the proxy runs
// (`config.bootstrap.v3.LayeredRuntime`). Configuration names a key and a default; the layers say
// what stands under the key now.

/// `config.bootstrap.v3.RuntimeLayer`.
public struct RuntimeLayer: Hashable, Sendable {
  public var name: String
  public var source: Source

  public enum Source: Hashable, Sendable {
    case fixed([String: RuntimeValue])
    /// Files below a directory; the name of this proxy's cluster may stand behind it.
    case disk(directory: String, appendsCluster: Bool)
    /// What the admin interface was told.
    case admin
  }
  public init(name: String, source: Source) {
    self.name = name
    self.source = source
  }
}

/// One value, in every form that somebody may ask for.
public struct RuntimeValue: Hashable, Sendable {
  /// As it was written; what the admin interface shows.
  public var text: String
  /// A whole number of 0 or more.
  public var number: UInt64?
  public var boolean: Bool?
  public var share: RuntimeShare?

  public init(text: String, number: UInt64? = nil, boolean: Bool? = nil, share: RuntimeShare? = nil) {
    self.text = text
    self.number = number
    self.boolean = boolean
    self.share = share
  }
}

/// `type.v3.FractionalPercent`: `numerator` of 100, 10,000 or 1,000,000.
public struct RuntimeShare: Hashable, Sendable {
  public var numerator: UInt32
  public var denominator: UInt32
  public init(numerator: UInt32, denominator: UInt32) {
    self.numerator = numerator
    self.denominator = denominator
  }
}

/// `config.core.v3.RuntimeFractionalPercent`.
public struct RuntimeFraction: Hashable, Sendable {
  public var defaultValue: RuntimeShare
  /// Empty: the default always.
  public var key: String
  public init(defaultValue: RuntimeShare, key: String = "") {
    self.defaultValue = defaultValue
    self.key = key
  }
}

extension RuntimeValue {
  /// A value as text: a whole number, `true` or `false` in any case, or something else, which has
  /// no meaning but itself.
  public init(parsing text: String) {
    let flag: Bool? =
      switch text.lowercased() {
      case "true": true
      case "false": false
      default: nil
      }
    self.init(text: text, number: UInt64(text), boolean: flag)
  }
}

/// `config.core.v3.RuntimeFeatureFlag`: a switch that the runtime may turn.
public struct RuntimeFlag: Hashable, Sendable {
  public var defaultValue: Bool
  /// Empty: none.
  public var key: String
  public init(defaultValue: Bool, key: String = "") {
    self.defaultValue = defaultValue
    self.key = key
  }
}
