// What the tools read: JSON and ELF files, right ones and any bytes.
import Testing

@testable import PluginTools

@Suite struct JSONValueTests {
  @Test(arguments: [
    "null", "true", "[]", "{}", "[1, -2.5e3, \"x\"]", #"{"a": {"b": [null]}, "a": "two"}"#,
    #""\"\\\u0001\n""#,
  ]) func comesBackAsItWas(_ text: String) throws {
    let value = try #require(JSONValue(parsing: Array(text.utf8)))
    #expect(JSONValue(parsing: Array(value.text().utf8)) == value)
    #expect(JSONValue(parsing: Array(value.text(compact: true).utf8)) == value)
  }

  @Test(arguments: [
    "", "{", "[1,", "[1 2]", "{\"a\"}", "\"a", "\"\\x\"", "\"\\ud800\"", "nul", "{} x", "{\"a\":1,}",
  ])
  func refuses(_ text: String) {
    #expect(JSONValue(parsing: Array(text.utf8)) == nil)
  }

  @Test func escapesAndTexts() {
    #expect(JSONValue(parsing: Array(#""\u00e9\ud83d\ude00\/""#.utf8)) == .string("\u{e9}\u{1f600}/"))
    let value = JSONValue.members(["a": .string("x"), "b": .array([.string("y"), .number(3)])])
    #expect(value.texts == ["x", "y"])
    #expect(value.text(compact: true) == #"{"a": "x", "b": ["y", 3]}"#)
    #expect(JSONValue(parsing: Array(String(repeating: "[", count: 5000).utf8)) == nil)
  }
}

@Suite struct ELFFileTests {
  @Test func readsThisProgram() throws {
    let bytes = try #require(Output.read("/proc/self/exe"))
    let file = try #require(ELFFile(bytes))
    #expect(file.neededLibraries.contains { $0.hasPrefix("libc.so") })
    #expect(!file.machine.hasPrefix("machine"))
  }

  /// Any prefix and any changed byte of the head: a value or nil, never a trap.
  @Test func bearsAnyBytes() throws {
    let bytes = try #require(Output.read("/bin/true"))
    var random = SeededRandom(seed: 7)
    for size in [0, 3, 4, 63, 64, 65, 500, bytes.count - 1] {
      let file = ELFFile(Array(bytes.prefix(size)))
      _ = file?.exportedSymbols
    }
    for _ in 0..<300 {
      var changed = bytes
      for _ in 0..<4 { changed[random.below(64)] = UInt8(truncatingIfNeeded: random.next()) }
      changed[changed.count - 1 - random.below(2000)] = UInt8(truncatingIfNeeded: random.next())
      let file = ELFFile(changed)
      _ = file?.exportedSymbols
      _ = file?.neededLibraries
    }
  }
}

@Suite struct SubjectTests {
  private func subject(_ configuration: String) -> String {
    let filter = TestFilters.http
    return Subject(filter, configuration: configuration).file(upstream: 1, dead: 2)
  }

  @Test func takesEveryFormOfAConfiguration() {
    let type = "type.googleapis.com/com.example.A"
    #expect(subject("{\"x\": 1}").contains("typed_config: {\"@type\": \"\(type)\", \"x\": 1}"))
    #expect(subject("{}").contains("typed_config: {\"@type\": \"\(type)\"}"))
    #expect(subject("x: 1\ny: {}").contains("\"@type\": \(type)\n              x: 1\n              y: {}\n"))
    #expect(subject("\"@type\": other\nx: 1").components(of: "@type") == subject("").components(of: "@type"))
  }

  @Test func readsTextOrAFile() throws {
    #expect(try CheckOptions.text("a: 1") == "a: 1")
    #expect(try CheckOptions.text("{}") == "{}")
    #expect(throws: CheckOptions.OptionProblem.self) { try CheckOptions.text("/no/such/file") }
  }
}

extension String {
  fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
