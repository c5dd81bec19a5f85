// Docs/envoy-compatibility.md is what the proto files say. MARTLET_REWRITE_DOCS=1 writes it.

import EnvoyConfiguration
import Foundation
import Testing

@Suite struct CompatibilityPageTests {
  @Test func pageIsTrue() throws {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Docs/envoy-compatibility.md").standardizedFileURL
    let printed = CompatibilityTable.markdown()
    if ProcessInfo.processInfo.environment["MARTLET_REWRITE_DOCS"] == "1" {
      try Data(printed.utf8).write(to: page)
    }
    let written = try String(contentsOf: page, encoding: .utf8)
    #expect(
      written == printed,
      "rewrite it: MARTLET_REWRITE_DOCS=1 swift test --filter CompatibilityPageTests")
  }
}
