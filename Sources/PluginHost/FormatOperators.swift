// The format operators of a set of plugins with the configurations that one load has for them: what the
// formats of that load may use.
import Model

final class FormatOperators: FormatOperatorSource, @unchecked Sendable {
  private let plugins: PluginSet
  private unowned let host: PluginHost
  let node: Node
  // On the control thread.
  /// By the formatter's usual name.
  private var configurations: [String: FilterBinding]
  /// Uses that are being made, each in an argument of the one before.
  private var depth = 0

  private static let depthLimit = 8

  init(_ plugins: PluginSet, _ host: PluginHost, _ configurations: [FilterBinding], _ node: Node) {
    self.plugins = plugins
    self.host = host
    self.node = node
    self.configurations = Dictionary(configurations.map { ($0.filterName, $0) }) { _, last in last }
  }

  private func entry(_ name: String) -> PluginSet.Entry? {
    func known() -> PluginSet.Entry? {
      plugins.entries.first { $0.filter.description.operators.contains(name) }
    }
    return known() ?? (plugins.loadInstalled() ? known() : nil)
  }

  var names: [String] { plugins.entries.flatMap(\.filter.description.operators) }

  func has(_ name: String) -> Bool { entry(name) != nil }

  func configuration(of name: String) -> FilterBinding? {
    host.control.run { configurationNow(of: name) }
  }

  private func configurationNow(of name: String) -> FilterBinding? {
    guard let entry = entry(name) else { return nil }
    let description = entry.filter.description
    if let known = configurations[description.name] { return known }
    guard description.typeNames.isEmpty else { return nil }
    // There is nothing to configure.
    let request = FilterRequest(
      kind: .formatter, filter: description.name, name: description.name, typeName: "", encoding: .json,
      bytes: [], isForRoute: false, managerPrefix: "", node: node)
    let made = host.make(entry.plugin, entry.filter, request, nil).binding
    configurations[description.name] = made
    return made
  }

  func make(_ name: String, argument: String?) throws(FormatError) -> FormatOperatorBinding {
    guard let entry = entry(name) else { throw FormatError(message: "there is no such operator") }
    return try host.control.run { makeNow(name, argument, entry) }.get()
  }

  private func makeNow(
    _ name: String, _ argument: String?, _ entry: PluginSet.Entry
  ) -> Result<FormatOperatorBinding, FormatError> {
    guard depth < Self.depthLimit else {
      return .failure(FormatError(message: "more than \(Self.depthLimit) formats in arguments of each other"))
    }
    guard let formatter = configurationNow(of: name) else {
      let types = entry.filter.description.typeNames
      let what =
        types.isEmpty
        ? "the plugin '\(entry.path)' refuses to offer it"
        : "it needs a configuration: an entry of the type \(types.joined(separator: " or ")) "
          + "in `bootstrap_extensions`"
      return .failure(FormatError(message: what, lacksConfiguration: true))
    }
    depth += 1
    defer { depth -= 1 }
    return host.makeUse(of: name, argument: argument, entry.plugin, entry.filter, formatter, self)
  }
}
