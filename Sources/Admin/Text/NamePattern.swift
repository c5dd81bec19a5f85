// The `filter` of `/stats` and `/clusters` and the `name_regex` of `/config_dump`: does this regular
// expression occur in the name? By RE2, as in Envoy: linear in the length of the name, whatever the
// expression; a Swift `Regex` could be sent into exponential time by one admin request and starve
// the workers of a core.
import CMartletRegex

/// A compiled expression. One request's; never shared between threads.
final class NamePattern {
  /// Why an expression was refused.
  struct Problem: Error {
    let text: String
  }
  /// Bytes of an expression. Names are about a hundred bytes long, and so are useful filters.
  static let maximumLength = 512

  private let handle: OpaquePointer

  /// RE2's syntax. `isWhole`: the whole name has to match.
  init(_ expression: String, isWhole: Bool = false) throws(Problem) {
    guard expression.utf8.count <= Self.maximumLength else {
      throw Problem(text: "longer than \(Self.maximumLength) bytes")
    }
    // The expression alone says what is wrong with it.
    let alone = try Self.compile(expression)
    if isWhole {
      handle = alone
    } else {
      martlet_regex_free(alone)
      handle = try Self.compile("(?s:.*?)(?:\(expression))(?s:.*)")
    }
  }

  deinit { martlet_regex_free(handle) }

  func matches(_ name: String) -> Bool {
    var name = name
    return name.withUTF8 { martlet_regex_matches(handle, $0.baseAddress, $0.count) }
  }

  private static func compile(_ expression: String) throws(Problem) -> OpaquePointer {
    var expression = expression
    var message = [CChar](repeating: 0, count: 256)
    let made = expression.withUTF8 {
      martlet_regex_make($0.baseAddress, $0.count, &message, message.count)
    }
    guard let made else {
      let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw Problem(text: String(decoding: text, as: UTF8.self))
    }
    return made
  }
}
