// Flags from text: defaults, meanings, refusals.
import DataPlane
import Testing

@testable import Server

@Suite struct CommandLineFlagsTests {
  private func read(
    _ change: (inout CommandLineFlags) -> Void = { _ in }
  ) throws(OptionError) -> ServerOptions {
    var flags = CommandLineFlags()
    flags.configPath = "a.yaml"
    change(&flags)
    return try flags.options()
  }

  private func refusal(_ change: (inout CommandLineFlags) -> Void) -> String? {
    do {
      _ = try read(change)
      return nil
    } catch {
      return error.description
    }
  }

  @Test func defaults() throws {
    let options = try read()
    #expect(options.mode == .serve)
    #expect(options.logLevel == .info)
    #expect(options.logFormat.text == "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v")
    #expect(options.drainTime == .seconds(600))
    #expect(options.drainStrategy == .immediate)
    #expect(options.parentShutdownTime == .seconds(900))
    #expect(options.fileFlushInterval == .seconds(10))
    #expect(options.baseID == .fixed(0))
    #expect(options.concurrency >= 1)
    #expect(options.localAddressVersion == .v4)
  }

  @Test func aConfigurationIsNeeded() throws {
    #expect(throws: OptionError.self) { try CommandLineFlags().options() }
    #expect(
      try read {
        $0.configPath = nil; $0.configYAML = "{}"
      }.configYAML == "{}")
  }

  @Test func values() throws {
    let options = try read {
      $0.mode = "init_only"
      $0.concurrency = "3"
      $0.logLevel = "warn"
      $0.componentLogLevel = "upstream:debug,misc:error"
      $0.drainTimeSeconds = "5"
      $0.drainStrategy = "gradual"
      $0.parentShutdownTimeSeconds = "7"
      $0.fileFlushIntervalMilliseconds = "250"
      $0.localAddressIPVersion = "v6"
      $0.baseID = "4294967295"
    }
    #expect(options.mode == .initOnly)
    #expect(options.concurrency == 3)
    #expect(options.logLevel == .warning)
    #expect(options.componentLevels == [.upstream: .debug, .config: .error])
    #expect(options.drainTime == .seconds(5))
    #expect(options.drainStrategy == .gradual)
    #expect(options.parentShutdownTime == .seconds(7))
    #expect(options.fileFlushInterval == .milliseconds(250))
    #expect(options.localAddressVersion == .v6)
    #expect(options.baseID == .fixed(.max))
    #expect(try read { $0.concurrency = "0" }.concurrency == 1)
    #expect(
      try read {
        $0.baseID = "1"; $0.useDynamicBaseID = true
      }.baseID == .dynamic)
    #expect(
      try read {
        $0.disableHotRestart = true; $0.baseID = "1"
      }.baseID == .none)
  }

  @Test func refusals() {
    #expect(refusal { $0.mode = "x" } == "unknown mode 'x': known are serve, validate, init_only")
    #expect(
      refusal { $0.drainStrategy = "x" }
        == "unknown drain-strategy 'x': known are gradual, immediate")
    #expect(
      refusal { $0.localAddressIPVersion = "v5" } == "unknown IP address version 'v5': known are v4, v6")
    #expect(refusal { $0.logLevel = "foo" } == "invalid log level specified 'foo'")
    let unknown = refusal { $0.componentLogLevel = "foo:debug" }
    #expect(unknown?.hasPrefix("invalid component specified 'foo': known are main, ") == true)
    #expect(refusal { $0.componentLogLevel = "http:foo" } == "invalid log level specified 'foo'")
    for text in ["http", "http:debug:x", ",", "http:debug,"] {
      #expect(refusal { $0.componentLogLevel = text } != nil)
    }
    for text in ["", "x", "-1", "+1", "1.5", "4294967296", " 1"] {
      #expect(refusal { $0.concurrency = text } != nil)
      #expect(refusal { $0.drainTimeSeconds = text } != nil)
      #expect(refusal { $0.parentShutdownTimeSeconds = text } != nil)
      #expect(refusal { $0.baseID = text } != nil)
      #expect(refusal { $0.fileFlushIntervalMilliseconds = text } != nil)
    }
    #expect(refusal { $0.concurrency = "1025" } != nil)
    #expect(refusal { $0.fileFlushIntervalMilliseconds = "0" } != nil)
    #expect(refusal { $0.logFormat = "%Q" } == "log format '%Q': unknown flag '%Q'")
  }

  @Test func envoysOtherFlagsAreRefusedWithAReason() {
    #expect(
      UnsupportedFlags.refusal(of: ["-c", "a", "--restart-epoch=1"])
        == "--restart-epoch is not supported: there is no hot restart")
    #expect(UnsupportedFlags.refusal(of: ["-c", "a", "--log-level", "info"]) == nil)
  }
}
