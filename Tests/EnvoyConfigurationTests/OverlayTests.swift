// `--config-yaml` over `-c`, by protobuf's rules: scalars are replaced, messages merged, lists
// appended.

import EnvoyConfiguration
import Model
import Testing

@Suite struct OverlayTests {
  @Test func scalarsAndMessages() throws {
    let loaded = try load(
      "node: {id: a, cluster: b, locality: {zone: z}}",
      overlay: "node: {id: c, locality: {region: r}}")
    #expect(loaded.configuration.node.id == "c")
    #expect(loaded.configuration.node.cluster == "b")
    #expect(loaded.configuration.node.zone == "z")
  }

  @Test func listsAreAppended() throws {
    let loaded = try load(
      Piece.clusters("{name: a}"), overlay: Piece.clusters("{name: b}, {name: c}"))
    #expect(loaded.configuration.clusters.map(\.name) == ["a", "b", "c"])
  }

  @Test func oneofsAreReplaced() throws {
    let loaded = try load(
      "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}",
      overlay: "admin: {address: {pipe: {path: /tmp/a}}}")
    #expect(loaded.configuration.admin?.address == .unix(path: "/tmp/a", mode: 0))
  }

  @Test func requiredFieldsMayComeFromTheOverlay() throws {
    let loaded = try load(
      "admin: {address: {socket_address: {address: 127.0.0.1}}}",
      overlay: "admin: {address: {socket_address: {port_value: 7}}}")
    #expect(loaded.configuration.admin?.address.description == "127.0.0.1:7")
  }

  @Test func overlayAlone() throws {
    let loaded = try ConfigurationLoader().load(path: nil, overlay: "node: {id: x}")
    #expect(loaded.configuration.node.id == "x")
  }

  @Test func referencesCrossFiles() throws {
    let loaded = try load(
      Piece.routes("{match: {prefix: /}, route: {cluster: later}}"),
      overlay: Piece.clusters("{name: later}"))
    #expect(loaded.configuration.clusters.map(\.name) == ["c", "d", "later"])
  }

  @Test func findingsNameTheirFile() throws {
    do {
      _ = try load(
        Piece.clusters("{name: a}, {name: b, lb_policy: MAGLEV}"),
        overlay: "static_resources:\n  clusters:\n  - name: a\n  - {nam: x}")
      Issue.record("loaded")
    } catch let error as ConfigurationError {
      let found = error.diagnostics
      #expect(
        found.map(\.path) == [
          "static_resources.clusters[1].lb_policy", "static_resources.clusters[0].name",
          "static_resources.clusters[1].nam",
        ])
      #expect(found.map(\.file).dropFirst() == ["--config-yaml", "--config-yaml"])
      #expect(found.map(\.line) == [1, 3, 4])
    }
  }

  @Test func conflictsBetweenFiles() throws {
    do {
      _ = try load(
        Piece.clusters("{name: a}"), overlay: "static_resources:\n  clusters:\n  - name: a")
      Issue.record("loaded")
    } catch let error as ConfigurationError {
      #expect(
        error.diagnostics.map(\.description) == [
          "--config-yaml:3: static_resources.clusters[0].name: the name \"a\" is taken by the "
            + "cluster at index 0"
        ])
    }
  }
}
