// `--log-format`: what each flag of a pattern prints, and which are refused.
import DataPlane
import Glibc
import Testing

@testable import Server

@Suite struct LogPatternTests {
  /// 2026-11-03 15:04:05.006007008, Tuesday, in whatever zone the machine is.
  private static let record: LogRecord = {
    var parts = tm()
    parts.tm_year = 126
    parts.tm_mon = 10
    parts.tm_mday = 3
    parts.tm_hour = 15
    parts.tm_min = 4
    parts.tm_sec = 5
    parts.tm_isdst = -1
    return LogRecord(
      level: .warning, component: .upstream, text: "a\n\"b\"\\", file: "Server/A.swift", line: 7,
      time: timespec(tv_sec: mktime(&parts), tv_nsec: 6_007_008), thread: 42)
  }()

  private func line(_ format: String, coloured: Bool = false) throws -> String {
    String(try LogPattern(format).line(for: Self.record, coloured: coloured).dropLast())
  }

  @Test func envoysDefault() throws {
    #expect(
      try line(LogPattern.defaultText)
        == "[2026-11-03 15:04:05.006][42][warning][upstream] [Server/A.swift:7] a\n\"b\"\\")
    #expect(LogPattern.default.text == LogPattern.defaultText)
    #expect(!LogPattern.default.pieces.isEmpty)
  }

  @Test(arguments: [
    ("%Y%m%d %H%M%S", "20261103 150405"), ("%e %f %F", "006 006007 006007008"),
    ("%a %A %b %h %B", "Tue Tuesday Nov Nov November"), ("%c", "Tue Nov 3 15:04:05 2026"),
    ("%C %D %x", "26 11/03/26 11/03/26"), ("%I %p %r", "03 PM 03:04:05 PM"),
    ("%R %T %X", "15:04 15:04:05 15:04:05"), ("%l %L %n %t", "warning W upstream 42"),
    ("%g %s %# %@", "Server/A.swift A.swift 7 Server/A.swift:7"), ("100%%", "100%"),
    ("%_", "a\\n\"b\"\\"), ("%j", "a\\n\\\"b\\\"\\\\"), ("%^x%$", "x"), ("plain", "plain"),
    ("[%8L][%-3L][%=3L]", "[       W][W  ][ W ]"), ("%4!l|%4l", "warn|warning"),
  ])
  func flags(_ format: String, _ expected: String) throws {
    #expect(try line(format) == expected)
  }

  @Test func colours() throws {
    #expect(try line("%^%l%$", coloured: true) == "\u{1b}[33m\u{1b}[1mwarning\u{1b}[m")
  }

  @Test(arguments: ["%Q", "%", "a%", "%5", "%!", "%o", "%+"])
  func refused(_ format: String) {
    #expect(throws: OptionError.self) { try LogPattern(format) }
  }

  @Test func every() throws {
    for flag in LogPattern.flags { _ = try line("%\(flag)") }
    #expect(try line("%P") == String(getpid()))
    #expect(try line("%E") == String(Self.record.time.tv_sec))
    #expect(try line("%z").count == 6)
  }
}
