// How a time is written: strftime's specifiers, and those that Envoy adds for parts of a second.

/// A parsed time format.
public struct TimeFormat: Hashable, Sendable {
  public enum Part: Hashable, Sendable {
    case text(String)
    /// For strftime, `%` included.
    case specifier(String)
    /// `%s`: seconds since 1970.
    case epochSeconds
    /// `%f`, `%3f`: digits of the fraction, 1...9.
    case fraction(digits: Int)
    /// `%E3S`: seconds with digits of the fraction, 0...9; nil: as many as say something (`%E*S`).
    case seconds(digits: Int?)
    /// `%E3f`, and `%E*f`.
    case subseconds(digits: Int?)
    /// `%Ez`: offset with a colon; `%E*z`: with seconds.
    case offset(withSeconds: Bool)
  }
  /// Empty: `2026-01-31T12:00:00.000Z`.
  public var parts: [Part]
  /// The system's zone instead of UTC.
  public var isLocal: Bool

  public init(_ text: String, isLocal: Bool) {
    self.isLocal = isLocal
    parts = []
    var bytes = Array(text.utf8)[...]
    var literal: [UInt8] = []
    func flush(_ parts: inout [Part]) {
      if !literal.isEmpty { parts.append(.text(String(decoding: literal, as: UTF8.self))) }
    }
    while let byte = bytes.popFirst() {
      guard byte == UInt8(ascii: "%"), let next = bytes.first else {
        literal.append(byte)
        continue
      }
      if next == UInt8(ascii: "%") {
        literal.append(byte)
        bytes.removeFirst()
        continue
      }
      flush(&parts)
      literal = []
      parts.append(Self.part(&bytes))
    }
    flush(&parts)
  }

  /// What stands behind a `%`; there is one byte at least.
  private static func part(_ bytes: inout ArraySlice<UInt8>) -> Part {
    let first = bytes.removeFirst()
    let second = bytes.first
    switch first {
    case UInt8(ascii: "s"): return .epochSeconds
    case UInt8(ascii: "f"): return .fraction(digits: 9)
    case UInt8(ascii: "1")...UInt8(ascii: "9") where second == UInt8(ascii: "f"):
      bytes.removeFirst()
      return .fraction(digits: Int(first - 0x30))
    case UInt8(ascii: "E"):
      return extended(&bytes)
    default:
      return .specifier(specifier(first, &bytes))
    }
  }

  private static func extended(_ bytes: inout ArraySlice<UInt8>) -> Part {
    let rest = Array(bytes.prefix(2))
    if rest.count == 2, rest[1] == UInt8(ascii: "S") || rest[1] == UInt8(ascii: "f") {
      let isStar = rest[0] == UInt8(ascii: "*")
      if isStar || (0x30...0x39).contains(rest[0]) {
        bytes.removeFirst(2)
        let digits = isStar ? nil : Int(rest[0] - 0x30)
        return rest[1] == UInt8(ascii: "S") ? .seconds(digits: digits) : .subseconds(digits: digits)
      }
    }
    if rest.first == UInt8(ascii: "z") {
      bytes.removeFirst()
      return .offset(withSeconds: false)
    }
    if rest == Array("*z".utf8) {
      bytes.removeFirst(2)
      return .offset(withSeconds: true)
    }
    if rest == Array("4Y".utf8) {
      bytes.removeFirst(2)
      return .specifier("%Y")
    }
    if rest.first == UInt8(ascii: "T") {
      bytes.removeFirst()
      return .text("T")
    }
    return .specifier(specifier(UInt8(ascii: "E"), &bytes))
  }

  /// Flags, a width, a modifier and the letter, as strftime takes them.
  private static func specifier(_ first: UInt8, _ bytes: inout ArraySlice<UInt8>) -> String {
    var result: [UInt8] = [UInt8(ascii: "%"), first]
    var last = first
    while isPrefix(last), let next = bytes.first {
      result.append(next)
      bytes.removeFirst()
      last = next
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func isPrefix(_ byte: UInt8) -> Bool {
    "-_0^#+EO123456789".utf8.contains(byte)
  }

  /// A line break among the specifiers (`%n`), which no header or line may hold.
  public var hasLineBreak: Bool {
    parts.contains { part in
      switch part {
      case .specifier(let text): text.hasSuffix("n")
      case .text(let text): text.utf8.contains { $0 == 0x0a || $0 == 0x0d }
      default: false
      }
    }
  }
}
