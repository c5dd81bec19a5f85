// A filter's configuration: a message, decoded by a hook of its own so that the SDK knows neither
// SwiftProtobuf nor any other format, and the settings that it is compiled to once.

/// How a configuration came.
public enum ConfigurationEncoding: Sendable {
  /// One JSON value, as the file has it.
  case json
  /// A protobuf message of the type in `typeName`.
  case protobuf
}

/// A configuration as the host hands it over.
public struct GivenConfiguration: Sendable {
  /// How `bytes` are to be read.
  public let encoding: ConfigurationEncoding
  /// The filter's name in the chain.
  public let name: String
  /// The full name of the message in `@type`; empty where the configuration has none.
  public let typeName: String
  /// The configuration itself; empty where the filter stands in the chain without one.
  public let bytes: [UInt8]

  /// For unit tests; otherwise the SDK makes them.
  public init(encoding: ConfigurationEncoding, name: String, typeName: String, bytes: [UInt8]) {
    self.encoding = encoding
    self.name = name
    self.typeName = typeName
    self.bytes = bytes
  }
}

/// A decoded configuration. Most conform to `JSONConfiguration` or `ProtobufConfiguration`; a filter
/// with several messages makes it an enum and looks at `given.typeName`.
public protocol ConfigurationMessage {
  /// The full names of the messages it is decoded from.
  static var typeNames: [String] { get }
  /// Control thread. Throws `ConfigurationError`, or any error for its description.
  init(configuration given: GivenConfiguration) throws
}

/// A configuration that is a protobuf message. The SDK brings no protobuf; with SwiftProtobuf the
/// conformance is
///
///     extension Hello: ProtobufConfiguration {
///       static var typeName: String { protoMessageName }
///       init(protobuf bytes: [UInt8]) throws { try self.init(serializedBytes: bytes) }
///     }
///
/// and the filter's `descriptors` let the host check a file against it, with line and path.
public protocol ProtobufConfiguration: ConfigurationMessage {
  static var typeName: String { get }
  init(protobuf bytes: [UInt8]) throws
}

extension ProtobufConfiguration {
  public static var typeNames: [String] { [typeName] }

  public init(configuration given: GivenConfiguration) throws {
    guard given.encoding == .protobuf else {
      throw ConfigurationError("expected a configuration of the type \(Self.typeName)")
    }
    try self.init(protobuf: given.bytes)
  }
}

/// A configuration in JSON, decoded by `Codable`. A field that the type does not have is an error.
public protocol JSONConfiguration: ConfigurationMessage, Decodable {
  /// The `@type` that names it; empty (the default) where it comes without one, under the filter's
  /// name.
  static var typeName: String { get }
}

extension JSONConfiguration {
  public static var typeName: String { "" }
  public static var typeNames: [String] { typeName.isEmpty ? [] : [typeName] }

  public init(configuration given: GivenConfiguration) throws {
    guard given.encoding == .json else {
      throw ConfigurationError("expected the configuration as a Struct (JSON)")
    }
    self = try JSONConfigurationDecoder.decode(Self.self, from: given.bytes)
  }
}

/// What a configuration is compiled to, once, on the control thread; then all workers read it at
/// the same time. A final class of constants. Arrays and strings in it that are used for every
/// request are better `FrozenList` and `FrozenBytes`: their reference counts would be shared.
public protocol FilterSettings: AnyObject, Sendable {
  associatedtype Message: ConfigurationMessage
  /// Control thread. Throwing refuses the configuration.
  init(_ message: Message, _ scope: inout ConfigurationScope) throws
  /// A timer of this configuration is due. Control thread. Does nothing unless implemented.
  func onTimer(_ scope: inout ConfigurationScope, timer: Int)
  /// A `Waker` of this configuration was used. Control thread. Does nothing unless implemented.
  func onWake(_ scope: inout ConfigurationScope, token: UInt64)
}

extension FilterSettings {
  public func onTimer(_ scope: inout ConfigurationScope, timer: Int) {}
  public func onWake(_ scope: inout ConfigurationScope, token: UInt64) {}
}

/// For a filter without configuration of this kind: the routes of most filters. Any other than an
/// empty one is refused.
public final class NoSettings: FilterSettings {
  /// A configuration that says nothing.
  public struct Message: ConfigurationMessage {
    public static var typeNames: [String] { [] }

    public init(configuration given: GivenConfiguration) throws {
      if given.bytes.isEmpty { return }
      if given.encoding == .json {
        let value = try JSONValue(parsing: given.bytes)
        if case .null = value { return }
        if case .object(let fields) = value, fields.isEmpty { return }
      }
      throw ConfigurationError("this filter takes no configuration")
    }
  }

  public init(_ message: Message, _ scope: inout ConfigurationScope) throws {}
}
