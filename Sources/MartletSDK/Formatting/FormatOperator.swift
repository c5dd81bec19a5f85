// What the author of format operators writes: a type that conforms to FormatOperator, of which the SDK makes
// an object for each use of an operator in a format string.
public import CMartletABI

/// What an operator's value is where it stands alone in a JSON format.
public enum OperatorValueKind: martlet_value_kind, Sendable {
  /// Written as a JSON string.
  case text = 0
  /// A number as RFC 8259 section 6 writes it.
  case number = 1
  /// "true" or "false".
  case boolean = 2
}

/// A use of an operator in a format string, `%NAME(argument)%`: a final class of constants, made once on the
/// control thread and read by all workers at the same time. Its operators share one configuration: the
/// bootstrap's `bootstrap_extensions`, or the `formatters` of the format, have an entry of the type that
/// `Settings.Message` names. With `NoSettings` there is nothing to configure.
public protocol FormatOperator: AnyObject, Sendable {
  /// The configuration, compiled.
  associatedtype Settings: FilterSettings
  /// What `value` is handed: `Settings`, or a `FilterWorker` of these settings.
  associatedtype Shared: AnyObject = Settings

  /// The usual name of what has these operators: "com.example.greetings".
  static var name: String { get }
  /// The messages of its configuration; `.none` for JSON.
  static var descriptors: Descriptors { get }
  /// The operators' names: capitals, digits and underscores.
  static var operators: [String] { get }

  /// Control thread. `argument` is what stands in the parentheses; nil where there are none. Throwing
  /// refuses the configuration at the format's place. What is defined with `scope` (formats, names, metrics)
  /// is used in `value`.
  init(
    _ name: String, argument: String?, _ settings: Settings, _ scope: inout ConfigurationScope) throws

  /// What the values of this use are. Text unless implemented.
  var kind: OperatorValueKind { get }

  /// Worker thread. Writes the value. False: there is none, whatever was written. It may be called while it
  /// runs, where it writes a format that this operator stands in.
  func value(_ stream: borrowing FormatStream, _ shared: Shared, to value: inout OperatorValue) -> Bool
}

extension FormatOperator {
  public static var descriptors: Descriptors { .none }
  public var kind: OperatorValueKind { .text }
}

/// What a format is written for: a stream, or a connection, which has no headers. All can be read and
/// nothing changed: `HeaderMap.set` and its like give `.state`. Valid for the call.
@frozen
public struct FormatStream: StreamScope, ~Copyable, ~Escapable {
  public let _handle: martlet_handle
  public let _services: UnsafePointer<HostServices>

  @inlinable
  @_lifetime(immortal)
  init(_ handle: martlet_handle, _ services: UnsafePointer<HostServices>) {
    _handle = handle
    _services = services
  }

  /// The request's headers.
  public var requestHeaders: HeaderMap {
    @_lifetime(copy self) get { map(MARTLET_REQUEST_HEADERS) }
  }

  /// The response's headers, once there is one.
  public var responseHeaders: HeaderMap {
    @_lifetime(copy self) get { map(MARTLET_RESPONSE_HEADERS) }
  }

  /// The response's trailers, where it has any.
  public var responseTrailers: HeaderMap {
    @_lifetime(copy self) get { map(MARTLET_RESPONSE_TRAILERS) }
  }

  @_lifetime(copy self)
  private func map(_ map: martlet_header_map) -> HeaderMap {
    let view = HeaderMap(handle: _handle, services: _services, map: map)
    return _overrideLifetime(view, copying: self)
  }
}

/// Where an operator writes its value. Memory that is used again for the next.
public struct OperatorValue: ~Copyable, ~Escapable {
  private let buffer: OperatorBuffer

  @_lifetime(immortal)
  init(_ buffer: OperatorBuffer) { self.buffer = buffer }

  /// How many bytes there are.
  public var count: Int { buffer.count }

  /// Adds bytes.
  public mutating func append(_ bytes: borrowing some BytesConvertible & ~Copyable & ~Escapable) {
    // A local of its own: with the thread sanitizer the compiler takes a capture of `self` for an escape.
    let buffer = buffer
    bytes.withBytes { buffer.append($0) }
  }

  /// Adds a byte.
  public mutating func append(_ byte: UInt8) {
    let buffer = buffer
    buffer.append(byte)
  }
}

/// A value's memory; one for each level of operators in arguments of others, on each worker.
final class OperatorBuffer {
  var base: UnsafeMutablePointer<UInt8>
  private var capacity = 256
  var count = 0

  init() { base = .allocate(capacity: capacity) }
  deinit { base.deallocate() }

  func append(_ bytes: BytesView) {
    let target = reserve(bytes.count)
    for index in 0..<bytes.count { target[index] = bytes[index] }
    count += bytes.count
  }

  func append(_ byte: UInt8) {
    reserve(1)[0] = byte
    count += 1
  }

  private func reserve(_ more: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity - count < more {
      capacity = max(capacity * 2, count + more)
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
      larger.update(from: base, count: count)
      base.deallocate()
      base = larger
    }
    return base + count
  }
}
