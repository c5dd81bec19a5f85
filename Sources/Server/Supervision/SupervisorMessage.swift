// What the serving process and its supervisor say to each other: one request, one answer, each one message; a
// descriptor may go with either.
//
//     the serving process                         the supervisor
//     take KEY            ----------------------> the descriptor that it keeps by that name, or none
//     keep KEY + fd       ----------------------> done
//     drop KEY            ----------------------> done
//     settle              ----------------------> closes sockets that nobody has asked for since the start
//     crashes             ----------------------> what it knows of crashes, as text

enum SupervisorRequest: Equatable {
  case take(String)
  case keep(String)
  case drop(String)
  case settle
  case crashes

  /// Longer keys are cut by nobody: they are refused.
  static let longestKey = 8 << 10

  var bytes: [UInt8] {
    switch self {
    case .take(let key): [UInt8(ascii: "T")] + key.utf8
    case .keep(let key): [UInt8(ascii: "K")] + key.utf8
    case .drop(let key): [UInt8(ascii: "D")] + key.utf8
    case .settle: [UInt8(ascii: "S")]
    case .crashes: [UInt8(ascii: "C")]
    }
  }

  /// Nil: it is none.
  init?(_ bytes: some Collection<UInt8>) {
    guard let kind = bytes.first else { return nil }
    let key = String(decoding: bytes.dropFirst(), as: UTF8.self)
    switch kind {
    case UInt8(ascii: "T") where !key.isEmpty: self = .take(key)
    case UInt8(ascii: "K") where !key.isEmpty: self = .keep(key)
    case UInt8(ascii: "D") where !key.isEmpty: self = .drop(key)
    case UInt8(ascii: "S") where key.isEmpty: self = .settle
    case UInt8(ascii: "C") where key.isEmpty: self = .crashes
    default: return nil
    }
  }
}

/// A crash that a plugin is to blame for, as a line of text with tabs between its parts.
struct CrashLine: Equatable {
  var hash: String
  var plugin: String
  var version: String
  var filter: String
  var function: String
  /// How long ago.
  var milliseconds: Int64

  var text: String {
    [hash, plugin, version, filter, function].map(Self.plain).joined(separator: "\t") + "\t\(milliseconds)"
  }

  private static func plain(_ text: String) -> String {
    String(decoding: text.utf8.map { $0 < 0x20 ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
  }

  init(hash: String, plugin: String, version: String, filter: String, function: String, milliseconds: Int64) {
    self.hash = hash
    self.plugin = plugin
    self.version = version
    self.filter = filter
    self.function = function
    self.milliseconds = milliseconds
  }

  /// Nil: it is none.
  init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "\t", omittingEmptySubsequences: false)
    guard parts.count == 6, let milliseconds = Int64(parts[5]), milliseconds >= 0 else { return nil }
    self.init(
      hash: String(parts[0]), plugin: String(parts[1]), version: String(parts[2]), filter: String(parts[3]),
      function: String(parts[4]), milliseconds: milliseconds)
  }
}
