// Which files are read at all.

import EnvoyConfiguration
import Foundation
import Testing

@Suite struct FileTests {
  private func problem(_ path: String?, overlay: String? = nil) -> [String] {
    do {
      _ = try ConfigurationLoader().load(path: path, overlay: overlay)
      return []
    } catch { return error.diagnostics.map(\.description) }
  }

  @Test(arguments: ["a.pb", "a.pb_text", "a.PB"])
  func protobufFiles(_ name: String) {
    #expect(
      problem(name) == ["\(name): protobuf files are not supported; give .yaml, .yml or .json"])
  }

  @Test(arguments: ["a", "a.txt", "a.yaml.bak", ""])
  func unknownEndings(_ name: String) {
    #expect(
      problem(name) == ["\(name): unknown kind of file; the name must end in .yaml, .yml or .json"])
  }

  @Test func missing() {
    #expect(
      problem("/nonexistent.yaml") == [
        "/nonexistent.yaml: cannot be read: No such file or directory"
      ])
    #expect(problem("/") == ["/: unknown kind of file; the name must end in .yaml, .yml or .json"])
    #expect(
      problem(nil) == ["martlet: no configuration: give a file with -c or YAML with --config-yaml"])
  }

  @Test func tooLarge() throws {
    let path = NSTemporaryDirectory() + "/martlet-large-\(UUID().uuidString).yaml"
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(FileManager.default.createFile(atPath: path, contents: nil))
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.truncate(atOffset: 65 << 20)
    #expect(problem(path) == ["\(path): larger than 64 MiB"])
  }

  @Test(arguments: ["yml", "yaml", "YAML"])
  func yamlEndings(_ ending: String) throws {
    let path = try temporaryFile("node: {id: a}", ending: ending)
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(try ConfigurationLoader().load(path: path, overlay: nil).configuration.node.id == "a")
  }
}
