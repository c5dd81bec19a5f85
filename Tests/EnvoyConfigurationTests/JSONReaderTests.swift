// JSON files: read strictly, to the same tree.

import EnvoyConfiguration
import Foundation
import Testing

@Suite struct JSONReaderTests {
  private func loadFile(_ text: String) throws -> LoadedConfiguration {
    let path = try temporaryFile(text, ending: "json")
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try ConfigurationLoader().load(path: path, overlay: nil)
  }

  private func problem(_ text: String) -> Diagnostic? {
    do {
      _ = try loadFile(text)
      return nil
    } catch let error as ConfigurationError { return error.diagnostics.first } catch { return nil }
  }

  @Test func tabsEscapesAndSurrogates() throws {
    let loaded = try loadFile(
      "\u{feff}{\n\t\"node\":\t{\"id\": \"a\\u00e9\\ud83d\\ude00\\/\\n\", \"cluster\" : \"n\"}\r\n}\n"
    )
    #expect(loaded.configuration.node.id == "a\u{e9}\u{1f600}/\n")
    #expect(loaded.configuration.node.cluster == "n")
  }

  @Test func numbersBooleansNulls() throws {
    let text = """
      {"staticResources": {"listeners": [{"name": "l", "freebind": true, "transparent": null,
        "address": {"socketAddress": {"address": "::1", "portValue": 8.0e1}}, "filterChains": [{}]}]}}
      """
    let listener = try loadFile(text).configuration.listeners.first
    #expect(listener?.freebind == true)
    #expect(listener?.transparent == false)
    #expect(listener?.addresses.first?.address.description == "[::1]:80")
  }

  @Test func linesAreKnown() {
    let found = problem("{\n \"node\": {\n  \"id\": \"a\",\n  \"idd\": 1\n }\n}")
    #expect(found?.line == 4)
    #expect(found?.path == "node.idd")
  }

  @Test func duplicateKeys() {
    let found = problem("{\"node\": {\"id\": \"a\",\n\"id\": \"b\"}}")
    #expect(found?.message == "this field is already given on line 1")
    #expect(found?.line == 2)
  }

  @Test(arguments: [
    "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "[1", "[1,]", "{a: 1}", "{\"a\": 01}",
    "{\"a\": +1}", "{\"a\": .5}", "{\"a\": 1.}",
    "{\"a\": 1e}", "{\"a\": tru}", "{\"a\": \"\\x\"}", "{\"a\": \"\\u12\"}", "{\"a\": \"\\ud800\"}",
    "{\"a\": \"\\ud800\\u0041\"}",
    "{\"a\": \"\u{1}\"}", "{\"a\": \"", "{} {}", "{} // c", "{\"a\": 'b'}", "", "   ",
    "{\"a\": NaN}", "{\"a\": \"b\" \"c\": 1}",
  ])
  func refused(_ text: String) {
    #expect(
      problem(text)?.message.hasPrefix("not JSON: ") == true,
      "\(text): \(String(describing: problem(text)))")
  }

  @Test func nesting() {
    #expect(
      problem(String(repeating: "[", count: 100_000))?.message == "nested more than 100 levels deep"
    )
    #expect(
      problem(String(repeating: "{\"a\":", count: 100_000))?.message
        == "nested more than 100 levels deep")
  }
}
