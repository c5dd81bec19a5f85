// What a plugin has said of itself, on its way to a process that does not load it any more.
import Testing

@testable import PluginHost

@Suite struct PluginDescriptionTests {
  private let whole = PluginDescription(
    id: "com.example.a", version: "1:2\n3", hash: "9f",
    filters: [
      .init(
        kind: .http, isTerminal: false, name: "a", types: ["x.A", "x.B"], routeTypes: ["x.R"],
        descriptors: [0, 58, 10, 255]),
      .init(kind: .network, isTerminal: true, name: "", types: [], routeTypes: [], descriptors: []),
      .init(
        kind: .formatter, isTerminal: false, name: "f", types: [], routeTypes: [], operators: ["A", "B_2"],
        descriptors: []),
    ])

  @Test func itComesBackAsItWas() { #expect(PluginDescription(whole.bytes) == whole) }

  @Test func withoutFiltersAsWell() {
    let empty = PluginDescription(id: "", version: "", hash: "", filters: [])
    #expect(PluginDescription(empty.bytes) == empty)
  }

  @Test func whatIsCutOrLongerIsNone() {
    let bytes = whole.bytes
    for count in 0..<bytes.count { #expect(PluginDescription(Array(bytes[..<count])) == nil) }
    #expect(PluginDescription(bytes + [49]) == nil)
  }

  @Test(arguments: ["3:", "x:1", "-1:a", "99999999999999999999:a", "1:9", "3:abc1:x", ":::"])
  func otherBytesAreNone(_ text: String) { #expect(PluginDescription(Array(text.utf8)) == nil) }
}
