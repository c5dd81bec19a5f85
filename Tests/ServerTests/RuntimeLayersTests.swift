// Runtime layers: which value counts, files on disk, and what the admin sets.
import Foundation
import Model
import Testing

@testable import Server

@Suite struct RuntimeLayersTests {
  private func value(_ text: String) -> RuntimeValue { RuntimeValue(parsing: text) }

  @Test func laterLayersWin() {
    var layers = RuntimeLayers(
      [
        RuntimeLayer(name: "a", source: .fixed(["x": value("1"), "y": value("2")])),
        RuntimeLayer(name: "b", source: .admin),
        RuntimeLayer(name: "c", source: .fixed(["y": value("3")])),
      ], serviceCluster: "")
    let isSet = layers.set([("x", "9"), ("y", "9"), ("z", "9")])
    #expect(isSet)
    #expect(layers.values.mapValues(\.text) == ["x": "9", "y": "3", "z": "9"])
    let isTakenAway = layers.set([("x", ""), ("z", "")])
    #expect(isTakenAway)
    #expect(layers.values.mapValues(\.text) == ["x": "1", "y": "3"])
    #expect(layers.report.layers == ["a", "b", "c"])
    #expect(layers.report.entries.first?.layerValues == ["1", "", ""])
  }

  @Test func withoutAnAdminLayer() {
    var layers = RuntimeLayers([], serviceCluster: "")
    let isSet = layers.set([("x", "1")])
    #expect(!isSet)
    #expect(layers.values.isEmpty)
  }

  @Test func filesAreReadAgain() throws {
    let root = NSTemporaryDirectory() + "/martlet-runtime-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: root) }
    try FileManager.default.createDirectory(atPath: root + "/me/a", withIntermediateDirectories: true)
    func write(_ name: String, _ text: String) throws {
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(root)/me/\(name)"))
    }
    try write("a/b", "# remark\n 7 \n")
    try write("share", "numerator: 5\ndenominator: MILLION\n")
    var layers = RuntimeLayers(
      [
        RuntimeLayer(name: "disk", source: .disk(directory: root, appendsCluster: true)),
        RuntimeLayer(name: "gone", source: .disk(directory: root + "/none", appendsCluster: false)),
      ], serviceCluster: "me")
    #expect(layers.problems.isEmpty)
    #expect(layers.report.layers == ["disk"])
    #expect(layers.values["share"]?.share == RuntimeShare(numerator: 5, denominator: 1_000_000))
    #expect(layers.values["a.b"]?.text == " 7")
    try write("a/b", "8")
    #expect(layers.values["a.b"]?.number == nil)
    layers.readDirectories()
    #expect(layers.values["a.b"]?.number == 8)
  }
}
