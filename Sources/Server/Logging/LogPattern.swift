// `--log-format`: a pattern in spdlog's language, as Envoy takes it, compiled once.
//
// Supported is every flag that has a meaning here; an unknown one is refused, where spdlog
// prints it as it stands and Envoy's user finds out from his logs. Alignment (`%8l`, `%-8l`,
// `%=8l`, `%8!l` to cut) is spdlog's too.

/// A compiled log format.
public struct LogPattern: Sendable {
  /// Envoy's.
  public static let defaultText = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"

  /// The default, compiled.
  public static let `default` = LogPattern(
    text: defaultText, pieces: (try? compile(defaultText)) ?? [])

  enum Alignment: Sendable, Hashable { case left, right, center }

  struct Padding: Sendable, Hashable {
    /// 1...64, as spdlog limits it.
    var width: Int
    var alignment = Alignment.right
    var truncates = false
  }

  enum Piece: Sendable, Hashable {
    case literal(String)
    case flag(Character, Padding?)
  }

  /// As given.
  public let text: String
  let pieces: [Piece]

  /// Flags of a message, its source, and the time, in this order. `%+`, elapsed times, MDC and
  /// function names are left out.
  static let flags = Set("vtPnlLsg#@_j^$%" + "aAbhBcCYDxmdHIMSefFpErRTXz")

  public init(_ text: String) throws(OptionError) {
    self.init(text: text, pieces: try Self.compile(text))
  }

  private init(text: String, pieces: [Piece]) {
    self.text = text
    self.pieces = pieces
  }

  private static func compile(_ text: String) throws(OptionError) -> [Piece] {
    var pieces: [Piece] = []
    var literal = ""
    var rest = text[...]
    while let character = rest.popFirst() {
      guard character == "%" else {
        literal.append(character)
        continue
      }
      let padding = try takePadding(&rest)
      guard let flag = rest.popFirst() else {
        throw OptionError("log format '\(text)' ends in a lone '%'")
      }
      guard flags.contains(flag) else {
        throw OptionError("log format '\(text)': unknown flag '%\(flag)'")
      }
      if flag == "%" {
        literal.append("%")
        continue
      }
      if !literal.isEmpty { pieces.append(.literal(literal)) }
      literal = ""
      pieces.append(.flag(flag, padding))
    }
    if !literal.isEmpty { pieces.append(.literal(literal)) }
    return pieces
  }

  private static func takePadding(_ rest: inout Substring) throws(OptionError) -> Padding? {
    var alignment = Alignment.right
    let start = rest
    if rest.first == "-" { alignment = .left }
    if rest.first == "=" { alignment = .center }
    if alignment != .right { rest = rest.dropFirst() }
    let digits = rest.prefix { $0.isASCII && $0.isNumber }
    guard let width = Int(digits), width > 0 else {
      rest = start
      return nil
    }
    rest = rest.dropFirst(digits.count)
    var padding = Padding(width: min(width, 64), alignment: alignment)
    if rest.first == "!" {
      padding.truncates = true
      rest = rest.dropFirst()
    }
    return padding
  }
}
