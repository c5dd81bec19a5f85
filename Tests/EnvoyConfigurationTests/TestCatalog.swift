// Filters as a plugin host would have them, without a plugin: each configuration gives a binding of its own,
// the same one for the same configuration.

import Model
import Synchronization

final class TestCatalog: FilterCatalog {
  static let shared = TestCatalog()

  private struct Key: Hashable {
    var request: FilterRequest
    var plugins: [PluginReference]
  }
  private struct State: Sendable {
    var plugins: [PluginReference] = []
    var bindings: [Key: FilterBinding] = [:]
  }
  private let state = Mutex(State())
  let plugin = PluginVersion(id: "test", version: "1", hash: "0", handle: 1)

  var filters: [FilterDescription] {
    [
      FilterDescription(
        kind: .http, name: "test.http", typeNames: ["test.HTTP"], routeTypeNames: ["test.Route"],
        descriptors: [], isTerminal: false, plugin: plugin),
      FilterDescription(
        kind: .network, name: "test.network", typeNames: ["test.Network"], routeTypeNames: [],
        descriptors: [], isTerminal: true, plugin: plugin),
      FilterDescription(
        kind: .formatter, name: "test.formatter", typeNames: ["test.Formatter"], routeTypeNames: [],
        descriptors: [], isTerminal: false, operators: ["TEST"], plugin: plugin),
    ]
  }
  var refusals: [String] { [] }
  var folders: [String] { ["/one", "/two"] }

  func load(_ plugins: [PluginReference], policies: PluginPolicies?) -> [(index: Int, message: String)] {
    state.withLock { $0.plugins = plugins }
    return []
  }

  func loadInstalled() -> Bool { false }

  func operators(_ configurations: [FilterBinding], node: Node) -> any FormatOperatorSource {
    TestOperators(configurations.last)
  }

  func make(_ request: FilterRequest, operators: (any FormatOperatorSource)?) -> FilterOutcome {
    if request.bytes.elementsEqual(#"{"wrong":true}"#.utf8) {
      return FilterOutcome(
        binding: nil, errors: [FilterProblem(path: "wrong", message: "is wrong")],
        warnings: [FilterProblem(path: "", message: "is odd")])
    }
    let binding = state.withLock { state in
      let key = Key(request: request, plugins: state.plugins)
      if let known = state.bindings[key] { return known }
      let made = FilterBinding(
        table: UnsafeRawPointer(bitPattern: 8).unsafelyUnwrapped, config: nil, handle: 1,
        filterName: request.filter, plugin: plugin, release: {})
      state.bindings[key] = made
      return made
    }
    return FilterOutcome(binding: binding, errors: [], warnings: [])
  }
}

/// The operator TEST, where it is configured; the same use for the same argument.
final class TestOperators: FormatOperatorSource {
  private let formatter: FilterBinding?
  init(_ formatter: FilterBinding?) { self.formatter = formatter }

  private struct Key: Hashable {
    var formatter: FilterBinding
    var argument: String?
  }
  private static let uses = Mutex<[Key: FormatOperatorBinding]>([:])

  var names: [String] { ["TEST"] }
  func has(_ name: String) -> Bool { name == "TEST" }
  func configuration(of name: String) -> FilterBinding? { formatter }

  func make(_ name: String, argument: String?) throws(FormatError) -> FormatOperatorBinding {
    guard let formatter else {
      throw FormatError(message: "it needs a configuration", lacksConfiguration: true)
    }
    return Self.uses.withLock { uses in
      let key = Key(formatter: formatter, argument: argument)
      if let known = uses[key] { return known }
      let made = FormatOperatorBinding(
        name: name, kind: .text, use: nil, formatter: formatter, operators: [name: formatter], release: {})
      uses[key] = made
      return made
    }
  }
}
