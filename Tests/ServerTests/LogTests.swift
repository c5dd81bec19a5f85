// The log on a file: levels, components, rotation.
import DataPlane
import Glibc
import Testing

@testable import Server

@Suite struct LogTests {
  private let path = "/tmp/martlet-log-\(getpid())-\(UInt32.random(in: 0 ... .max))"

  private func options(_ level: String, _ components: String = "") throws -> ServerOptions {
    var flags = CommandLineFlags()
    flags.configPath = "a"
    flags.logPath = path
    flags.logFormat = "%l %n %g:%# %v"
    flags.logLevel = level
    if !components.isEmpty { flags.componentLogLevel = components }
    return try flags.options()
  }

  @Test func levelsByComponent() throws {
    defer { unlink(path) }
    let log = try Log(try options("warning", "upstream:trace,http:off"))
    log.write(.info, .main, "no", file: "F", line: 1)
    log.write(.warning, .main, "yes", file: "F", line: 2)
    log.write(.trace, .upstream, "yes", file: "F", line: 3)
    log.write(.critical, .http, "no", file: "F", line: 4)
    log.sink(.debug, "upstream", "sunk")
    log.sink(.debug, "unheard of", "no")
    #expect(log.minimumLevel == .trace)
    #expect(
      SmallFile.read(path) == """
        warning main F:2 yes
        trace upstream F:3 yes
        debug upstream DataPlane:0 sunk

        """)
  }

  @Test func offIsOff() throws {
    defer { unlink(path) }
    let log = try Log(try options("off"))
    log.write(.critical, .main, "no")
    log.write(.off, .main, "no")
    #expect(SmallFile.read(path)?.isEmpty == true)
  }

  @Test func reopens() throws {
    defer { unlink(path) }
    let log = try Log(try options("info"))
    log.write(.info, .main, "one", file: "F", line: 1)
    rename(path, path + ".1")
    defer { unlink(path + ".1") }
    log.write(.info, .main, "two", file: "F", line: 1)
    log.reopen()
    log.write(.info, .main, "three", file: "F", line: 1)
    #expect(SmallFile.read(path + ".1") == "info main F:1 one\ninfo main F:1 two\n")
    #expect(SmallFile.read(path) == "info main F:1 three\n")
  }

  @Test func bufferedFile() throws {
    defer { unlink(path) }
    let file = try BufferedFile(path: path)
    file.append("one\n")
    #expect(SmallFile.read(path)?.isEmpty == true)
    file.flush()
    #expect(SmallFile.read(path) == "one\n")
    unlink(path)
    file.append("two\n")
    try file.reopen()
    file.append(String(repeating: "x", count: BufferedFile.flushSize))
    #expect(SmallFile.read(path)?.utf8.count == BufferedFile.flushSize)
    #expect(throws: OptionError.self) { try BufferedFile(path: "/nonexistent/a") }
  }
}
