// `martlet plugin new`: which names and options it takes, and what it puts into the files.
import Glibc
import Testing

@testable import PluginTools

@Suite struct NewPluginTests {
  @Test(arguments: ["a", "rate-limit", "X1", "a1-b2-c3"]) func takes(_ name: String) {
    #expect(NewPluginFiles.isValid(name))
  }

  @Test(
    arguments: [
      "", "1a", "-a", "a-", "a--b", "a_b", "a/b", "../a", "a b", "\u{e9}", String(repeating: "a", count: 41),
    ])
  func refuses(_ name: String) {
    #expect(!NewPluginFiles.isValid(name))
  }

  private func files(_ language: String, network: Bool = false, package: String? = nil) throws -> [String:
    String]
  {
    let made = try NewPluginFiles(
      name: "rate-limit", language: language, isNetwork: network, package: package)
    return Dictionary(
      uniqueKeysWithValues: made.files.map { ($0.path, String(decoding: $0.bytes, as: UTF8.self)) })
  }

  @Test func putsTheNameIn() throws {
    for (language, network, source) in [
      ("c", false, "rate_limit.c"), ("c", true, "rate_limit.c"), ("cpp", false, "rate_limit.cpp"),
      ("rust", false, "rate_limit.rs"),
    ] {
      let files = try files(language, network: network)
      #expect(Set(["README.md", "Makefile", "envoy.yaml", "check.yaml", source]).isSubset(of: files.keys))
      for (path, text) in files where path != "martlet.h" {
        #expect(
          !text.contains("my_filter") && !text.contains("MyFilter") && !text.contains("my-filter"), "\(path)")
      }
      #expect(files["envoy.yaml"]?.contains("type.googleapis.com/com.example.RateLimit") == true)
    }
  }

  @Test func swiftNamesItsPackage() throws {
    let byPath = try files("swift", package: "/")
    #expect(byPath["Package.swift"]?.contains(#".package(name: "martlet", path: "/")"#) == true)
    #expect(byPath["Sources/RateLimit/Filter.swift"] != nil && byPath["martlet.h"] == nil)
    let byURL = try files("swift", package: "https://example.com/martlet")
    #expect(byURL["Package.swift"]?.contains(#"url: "https://example.com/martlet""#) == true)
    #expect(throws: ToolProblem.self) { try files("swift") }
    #expect(throws: ToolProblem.self) { try files("c", package: "/x") }
    #expect(throws: ToolProblem.self) { try files("rust", network: true) }
    #expect(throws: ToolProblem.self) { try files("go") }
  }

  /// The one header that there is.
  @Test func theHeaderIsOurs() throws {
    let header = try #require(try files("c")["martlet.h"])
    let path = #filePath.replacing(
      "Tests/PluginToolsTests/NewPluginTests.swift", with: "Sources/CMartletABI/include/martlet.h")
    let bytes = try #require(Output.read(path))
    #expect(header == String(decoding: bytes, as: UTF8.self))
  }

  @Test func neverWritesOverAFolder() throws {
    let folder = "/tmp/martlet-new-plugin-\(getpid())"
    #expect(mkdir(folder, 0o700) == 0)
    let before = String(cString: getcwd(nil, 0))
    defer {
      chdir(before)
      rmdir("\(folder)/rate-limit")
      rmdir(folder)
    }
    chdir(folder)
    mkdir("rate-limit", 0o700)
    let made = try NewPluginFiles(name: "rate-limit", language: "c", isNetwork: false, package: nil)
    #expect(throws: ToolProblem.self) { try made.write() }
    #expect(access("rate-limit/Makefile", F_OK) != 0)
  }
}
