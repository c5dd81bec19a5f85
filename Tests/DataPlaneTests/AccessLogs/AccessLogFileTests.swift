// Log files: what is handed over is written, in order and whole; what cannot be is counted.
import Foundation
import Testing

@testable import DataPlane

struct AccessLogFileTests {
  private func path(_ name: String) -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(UUID().uuidString)").path
  }

  private func append(_ text: String, to file: AccessLogFile) {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      if let base = bytes.baseAddress { file.append(base, bytes.count, lines: 1, byTimer: false) }
    }
  }

  private func content(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }

  @Test func everythingIsWrittenAtTheEnd() throws {
    let path = path("log")
    let files = AccessLogFiles()
    let file = try files.open(path)
    #expect(try files.open(path) === file)
    for index in 0..<1000 { append("\(index)\n", to: file) }
    files.finish()
    #expect(content(path) == (0..<1000).map { "\($0)\n" }.joined())
    let stats = files.stats
    #expect(stats.writeBuffered.load(ordering: .relaxed) == 1000)
    #expect(stats.totalBuffered.load(ordering: .relaxed) == 0)
    #expect(stats.writeFailed.load(ordering: .relaxed) == 0)
  }

  @Test func reopening() throws {
    let path = path("log")
    let files = AccessLogFiles()
    let file = try files.open(path)
    append("one\n", to: file)
    while content(path).isEmpty { usleep(1000) }
    try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
    files.reopen()
    append("two\n", to: file)
    files.finish()
    #expect(content(path + ".1") == "one\n" && content(path) == "two\n")
  }

  @Test func aDiskThatIsFull() throws {
    let files = AccessLogFiles()
    append("x\n", to: try files.open("/dev/full"))
    files.finish()
    #expect(files.stats.writeFailed.load(ordering: .relaxed) == 1)
    #expect(files.stats.totalBuffered.load(ordering: .relaxed) == 0)
  }

  @Test func aPathThatIsNone() {
    #expect(throws: SystemError.self) { try AccessLogFiles().open("/no/such/directory/log") }
  }

  @Test func manyWriters() throws {
    let path = path("log")
    let files = AccessLogFiles()
    let file = try files.open(path)
    DispatchQueue.concurrentPerform(iterations: 4) { writer in
      for index in 0..<500 { append("<\(writer) \(index)>\n", to: file) }
    }
    files.finish()
    let lines = content(path).split(separator: "\n")
    #expect(lines.count == 2000 && lines.allSatisfy { $0.hasPrefix("<") && $0.hasSuffix(">") })
  }
}
