// Files that are no plugins: whatever their bytes, reading them gives an answer.
import Glibc
import Testing

@testable import PluginHost

@Suite struct PluginFileTests {
  /// A file of these bytes, gone when `body` has returned.
  private func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) rethrows -> Result {
    var template = Array("/tmp/martlet-file-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    precondition(descriptor >= 0)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unlink(path) }
    var done = 0
    while done < bytes.count {
      done += bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, $0.count - done) }
    }
    close(descriptor)
    return try body(path)
  }

  /// Nil: it would be loaded.
  private func refusal(_ bytes: [UInt8]) -> String? {
    withFile(bytes) { path in
      do throws(PluginProblem) {
        _ = try PluginFile.read(path)
        return nil
      } catch {
        return error.message
      }
    }
  }

  private func put(_ value: UInt64, _ size: Int, at offset: Int, in bytes: inout [UInt8]) {
    for index in 0..<size { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
  }

  /// The least that is taken for a plugin: header, one segment, no sections, the entry's name.
  private var least: [UInt8] {
    var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 193)
    #if arch(arm64)
      let machine: UInt64 = 183
    #else
      let machine: UInt64 = 62
    #endif
    put(3, 2, at: 16, in: &bytes)
    put(machine, 2, at: 18, in: &bytes)
    put(64, 8, at: 32, in: &bytes)
    put(56, 2, at: 54, in: &bytes)
    put(1, 2, at: 56, in: &bytes)
    put(0, 8, at: 64 + 8, in: &bytes)
    put(200, 8, at: 64 + 32, in: &bytes)
    for (index, byte) in "martlet_plugin_v1".utf8.enumerated() { bytes[130 + index] = byte }
    return bytes
  }

  @Test func theLeast() { #expect(refusal(least) == nil) }

  @Test func everyShorterFileIsRefused() {
    for count in 0..<least.count {
      #expect(refusal(Array(least.prefix(count))) != nil, "\(count) bytes")
    }
  }

  @Test(
    arguments: [
      (16, 2, 2, "not a shared library"), (18, 2, 3, "for another machine: x86"),
      (4, 1, 1, "for another machine"),
      (5, 1, 2, "for another machine"), (32, 8, 300, "truncated"), (32, 8, .max, "truncated"),
      (32, 8, 1 << 63, "truncated"), (54, 2, 1, "truncated"), (56, 2, 65535, "truncated"),
      (72, 8, 201, "truncated"), (72, 8, .max, "truncated"), (96, 8, 201, "truncated"),
      (96, 8, 1 << 63, "truncated"), (146, 1, 0x32, "version 2 of the plugin ABI"),
      (146, 1, 0x78, "no symbol martlet_plugin_v1"), (147, 1, 0x30, "version 10 of the plugin ABI"),
      (130, 1, 0, "no symbol martlet_plugin_v1"),
    ] as [(Int, Int, UInt64, String)])
  func aFieldThatIsWrong(offset: Int, size: Int, value: UInt64, expected: String) {
    var bytes = least
    put(value, size, at: offset, in: &bytes)
    let message = refusal(bytes)
    #expect(message?.contains(expected) == true, "\(message ?? "taken")")
  }

  /// Nothing is expected of the answer but that there is one.
  @Test func wildBytes() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      var bytes = least
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = refusal(bytes)
    }
  }

  @Test func whatIsNoFile() {
    func refusal(_ path: String) -> String {
      do throws(PluginProblem) {
        _ = try PluginFile.read(path)
        return ""
      } catch {
        return error.message
      }
    }
    #expect(refusal("/tmp").contains("not a regular file"))
    #expect(refusal("/nowhere.so").contains("No such file"))
    let pipe = "/tmp/martlet-pipe-\(getpid()).so"
    mkfifo(pipe, 0o600)
    defer { unlink(pipe) }
    #expect(refusal(pipe).contains("not a regular file"), "and nobody waits for a writer")
  }

  @Test func theHash() throws {
    let hash = try withFile(least) { try PluginFile.read($0).hash }
    #expect(hash.count == 64)
    #expect(try withFile(least) { try PluginFile.read($0).hash } == hash)
    #expect(try withFile(least + [0]) { try PluginFile.read($0).hash } != hash)
  }
}
