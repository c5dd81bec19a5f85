// Unquoted scalars that YAML 1.1, YAML 1.2 and people read differently. The expected readings
// are Envoy 1.40's; Docs/configuration.md lists them.

import EnvoyConfiguration
import Model
import Testing

@Suite struct YAMLTrapTests {
  @Test(arguments: [
    "n", "N", "no", "No", "NO", "y", "yes", "on", "ON", "off", "true", "False", "5", "010", "0x1F",
    "-3", "+3",
  ])
  func textMustBeQuoted(_ text: String) throws {
    let found = errorLines("node: {id: \(text)}")
    #expect(found.count == 1)
    #expect(found.first?.contains("write it in quotes: \"\(text)\"") == true)
    #expect(try load("node: {id: \"\(text)\"}").configuration.node.id == text)
    #expect(try load("node: {id: '\(text)'}").configuration.node.id == text)
    #expect(try load("node: {id: !!str \(text)}").configuration.node.id == text)
  }

  @Test(arguments: [
    "1_000", "1.5", "12345678901234", "2001-01-01", "1:20", "0o17", "0b11", "09", "oN", "nO", "v1",
    "1e3", ".5", "-",
  ])
  func plainText(_ text: String) throws {
    #expect(try load("node: {id: \(text)}").configuration.node.id == text)
  }

  @Test(arguments: ["~", "null", "Null", "NULL", ""])
  func nullIsAbsent(_ text: String) throws {
    #expect(try load("node: {id: \(text)}").configuration.node.id == "")
    #expect(try load("node: {id: a}\nadmin: \(text)").configuration.admin == nil)
  }

  static func port(_ text: String) -> String {
    Piece.listeners(
      "{name: l, address: {socket_address: {address: 127.0.0.1, port_value: \(text)}}, filter_chains: [{}]}"
    )
  }

  @Test(arguments: [
    ("80", 80), ("+80", 80), ("0x1F", 31), ("\"80\"", 80), ("\"010\"", 10), ("80.0", 80),
    ("8e1", 80), ("0", 0), ("07", 7),
    ("010", 8), ("-0", 0),
  ])
  func integers(_ text: String, _ expected: UInt16) throws {
    let loaded = try load(Self.port(text))
    guard case .ip(_, let port)? = loaded.configuration.listeners.first?.addresses.first?.address
    else {
      Issue.record("no address")
      return
    }
    #expect(port == expected)
    #expect(loaded.warnings.isEmpty == (text != "010"))
  }

  @Test(arguments: [
    "1_000", "1:20", "09", "0b11", "0o17", "-1", "70000", "abc", "true", "\" 80\"", "\"+80\"",
    "\"0x1F\"", "80.5", "1e400",
    "99999999999999999999", "''", "[1]", "{a: 1}",
  ])
  func notIntegers(_ text: String) {
    let found = errorLines(Self.port(text))
    // The oneof is required as well, but it was given.
    #expect(found.count == 1, "\(found)")
    #expect(found.first?.contains("port_value") == true)
  }

  @Test func fileModesAreOctal() throws {
    let loaded = try load(
      Piece.listeners("{name: l, address: {pipe: {path: /tmp/s, mode: 0640}}, filter_chains: [{}]}")
    )
    #expect(
      loaded.configuration.listeners.first?.addresses.first?.address
        == .unix(path: "/tmp/s", mode: 0o640))
    #expect(loaded.warnings.isEmpty)
  }

  @Test(arguments: [
    ("y", true), ("yes", true), ("On", true), ("TRUE", true), ("\"true\"", true), ("n", false),
    ("No", false), ("OFF", false),
    ("'false'", false),
  ])
  func booleans(_ text: String, _ expected: Bool) throws {
    let listener = try load(Piece.listeners(Piece.listener("freebind: \(text)"))).configuration
      .listeners.first
    #expect(listener?.freebind == expected)
  }

  @Test(arguments: ["oN", "1", "0", "\"on\"", "\"yes\"", "tru", "[true]"])
  func notBooleans(_ text: String) {
    let found = errorLines(Piece.listeners(Piece.listener("freebind: \(text)")))
    #expect(found.count == 1)
    #expect(found.first?.contains("expected true or false") == true)
  }

  @Test func mergeKeysAreNotFields() {
    #expect(
      errorLines("x: &a {id: a}\nnode: {<<: *a}").contains {
        $0.contains("`<<` is not a field of Node")
      })
  }

  @Test func aliases() throws {
    let yaml = "node: {id: &i one, cluster: *i}"
    #expect(try load(yaml).configuration.node.cluster == "one")
  }

  @Test func tagsWithoutMeaning() {
    #expect(
      errorLines("node: {id: !!binary aGk=}") == [
        "1: the tag tag:yaml.org,2002:binary has no meaning in a configuration"
      ])
    #expect(errorLines("node: !thing {id: a}").count == 1)
  }
}
