// What a plugin gave for one of its operators in a format string. The plugin host makes these on the control
// thread; compiled formats hold them on the workers. The same operator with the same argument and
// configuration gives the same binding again, so that a reload which changes nothing changes nothing here.

/// A use of a plugin's operator, as the plugin holds it.
public final class FormatOperatorBinding: Sendable {
  /// What the value is where it stands alone in JSON.
  public enum Kind: Hashable, Sendable { case text, number, boolean }

  /// The operator's name.
  public let name: String
  public let kind: Kind
  /// What the plugin's `create` gave.
  public nonisolated(unsafe) let use: UnsafeMutableRawPointer?
  /// Its configuration, with the plugin's table: `martlet_format_operator`.
  public let formatter: FilterBinding
  /// As `FilterBinding.operators`, this one included.
  public let operators: [String: FilterBinding]
  private let release: @Sendable () -> Void

  /// `release` is called once, on the thread that lets go of the binding last.
  public init(
    name: String, kind: Kind, use: UnsafeMutableRawPointer?, formatter: FilterBinding,
    operators: [String: FilterBinding], release: @escaping @Sendable () -> Void
  ) {
    self.name = name
    self.kind = kind
    self.use = use
    self.formatter = formatter
    self.operators = operators
    self.release = release
  }

  deinit { release() }
}

extension FormatOperatorBinding: Hashable {
  public static func == (left: FormatOperatorBinding, right: FormatOperatorBinding) -> Bool {
    left === right
  }
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension FormatString {
  /// The operators of plugins in it.
  public var plugins: [FormatOperatorBinding] {
    switch shape {
    case .text(let elements): elements.flatMap(\.plugins)
    case .json(let json): json.plugins
    }
  }
}

extension FormatElement {
  fileprivate var plugins: [FormatOperatorBinding] {
    if case .value(let value) = self { value.plugins } else { [] }
  }
}

extension FormatValue {
  fileprivate var plugins: [FormatOperatorBinding] {
    switch name {
    case .plugin(let binding): [binding]
    case .coalesce(let values): values.flatMap(\.plugins)
    default: []
    }
  }
}

extension FormatJSON {
  fileprivate var plugins: [FormatOperatorBinding] {
    switch self {
    case .object(let members): members.flatMap(\.value.plugins)
    case .list(let items): items.flatMap(\.plugins)
    case .text(let elements): elements.flatMap(\.plugins)
    case .number, .bool, .null: []
    }
  }
}

extension FormatParser {
  /// Whether a plugin may have an operator of this name: capitals, digits and underscores, at most 64,
  /// and not one that the proxy has itself.
  public static func isFree(_ name: String) -> Bool { !FormatOperatorTable.isBuiltIn(name) }

  public static func isOperatorName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy { ($0 >= 0x41 && $0 <= 0x5a) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5f }
  }
}
