// Texts that are not a configuration at all, and what bounds the reader.

import Foundation
import Testing

@testable import EnvoyConfiguration

@Suite struct YAMLReaderTests {
  @Test func notYAML() {
    let found = errorLines("node: {id: a}\nadmin: [1")
    #expect(found.count == 1)
    #expect(
      found.first?.hasPrefix("3: not YAML: ") == true
        || found.first?.hasPrefix("2: not YAML: ") == true)
  }

  @Test(arguments: ["", "# nothing\n", "- a", "abc", "~", "---\n...\n"])
  func notAMapping(_ text: String) {
    let found = errorLines(text)
    #expect(found.count == 1)
    #expect(found.first?.contains("expected a mapping with the fields of Bootstrap") == true)
  }

  @Test func secondDocument() {
    #expect(
      errorLines("node: {id: a}\n---\nnode: {id: b}") == [
        "2: a second document begins here; a configuration is one document"
      ])
  }

  @Test func complexKeys() {
    #expect(errorLines("? [a]\n: b") == ["1: a mapping's key must be a scalar"])
    #expect(errorLines("x: &a [1]\n*a : b") == ["2: a mapping's key must be a scalar"])
  }

  @Test func unknownAlias() {
    #expect(errorLines("node: *nobody") == ["1: the alias *nobody has no anchor before it"])
  }

  @Test func selfReference() {
    #expect(errorLines("node: &a [*a]") == ["1: the alias *a has no anchor before it"])
  }

  @Test func notUTF8() {
    var bytes = Array("node: {id: a}".utf8)
    bytes[11] = 0xff
    let load = Load(options: .init())
    bytes.withUnsafeBytes { load.add(yaml: $0, file: load.begin(file: "test")) }
    #expect(throws: ConfigurationError.self) { try load.finish() }
    #expect(load.diagnostics.all.first?.message.hasPrefix("not UTF-8 text") == true)
  }

  @Test(arguments: ["[", "{a: ", "- ", "? ", "a:\n - "])
  func nesting(_ text: String) {
    for count in [ReadingLimits.depth - 1, ReadingLimits.depth + 1, 100_000] {
      let found = errorLines("node: " + String(repeating: text, count: count))
      #expect(!found.isEmpty)
    }
  }

  @Test func depthIsBounded() {
    let text = String(repeating: "[", count: 101) + String(repeating: "]", count: 101)
    #expect(errorLines("a: \(text)") == ["1: nested more than 100 levels deep"])
    let block = (0..<150).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
    #expect(errorLines(block).first?.hasSuffix("nested more than 100 levels deep") == true)
  }

  @Test func depthCountsAliases() {
    var text = "a0: &a0 [x]\n"
    for level in 1..<120 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
    #expect(errorLines(text).first?.hasSuffix("nested more than 100 levels deep") == true)
  }

  @Test func aliasBomb() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1..<40 {
      text +=
        "a\(level): &a\(level) ["
        + repeatElement("*a\(level - 1)", count: 9).joined(separator: ", ") + "]\n"
    }
    let found = errorLines(text)
    #expect(found.count == 1)
    #expect(found.first?.contains("more than 2000000 values, counting what aliases repeat") == true)
  }
}
