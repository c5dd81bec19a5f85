// From a record to a line.
import DataPlane
import Glibc

extension LogPattern {
  /// The line, with its line break.
  /// - Parameter coloured: `%^` and `%$` set the terminal's colour; otherwise they print nothing.
  func line(for record: LogRecord, coloured: Bool = false) -> String {
    var time = tm()
    var seconds = record.time.tv_sec
    localtime_r(&seconds, &time)
    let clock = LogTime(parts: time, time: record.time)
    var out = ""
    for piece in pieces {
      switch piece {
      case .literal(let text): out += text
      case .flag(let flag, let padding):
        let text = Self.expand(flag, record, clock, coloured)
        out += padding.map { Self.pad(text, $0) } ?? text
      }
    }
    return out + "\n"
  }

  private static func expand(
    _ flag: Character, _ record: LogRecord, _ clock: LogTime, _ coloured: Bool
  ) -> String {
    switch flag {
    case "v": record.text
    case "_": escaped(record.text, json: false)
    case "j": escaped(record.text, json: true)
    case "t": String(record.thread)
    case "P": String(getpid())
    case "n": record.component.rawValue
    case "l": record.level.name
    case "L": String(record.level.name.prefix(1)).uppercased()
    case "g": record.file
    case "s": String(record.file.split(separator: "/").last ?? "")
    case "#": String(record.line)
    case "@": "\(record.file):\(record.line)"
    case "^": coloured ? colour(record.level) : ""
    case "$": coloured ? "\u{1b}[m" : ""
    default: clock.expand(flag)
    }
  }

  private static func colour(_ level: LogLevel) -> String {
    switch level {
    case .trace: "\u{1b}[37m"
    case .debug: "\u{1b}[36m"
    case .info: "\u{1b}[32m"
    case .warning: "\u{1b}[33m\u{1b}[1m"
    case .error: "\u{1b}[31m\u{1b}[1m"
    case .critical, .off: "\u{1b}[1m\u{1b}[41m"
    }
  }

  private static func pad(_ text: String, _ padding: Padding) -> String {
    let missing = padding.width - text.count
    if missing <= 0 { return padding.truncates ? String(text.prefix(padding.width)) : text }
    let left =
      switch padding.alignment {
      case .left: 0
      case .right: missing
      case .center: missing / 2
      }
    return String(repeating: " ", count: left) + text + String(repeating: " ", count: missing - left)
  }

  /// `%_`: line breaks in C's manner, so that a message stays one line. `%j`: as a JSON string.
  private static func escaped(_ text: String, json: Bool) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\\" where json: out += "\\\\"
      case "\"" where json: out += "\\\""
      case "\u{0}"..<"\u{20}" where json:
        let hex = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
