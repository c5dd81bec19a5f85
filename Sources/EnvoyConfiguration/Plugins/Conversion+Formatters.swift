// Configurations of plugins' format operators: those of the bootstrap hold for every format of the
// configuration, those of a format string for it alone and before the others.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  /// Entries of `formatters`, or of the bootstrap's extensions those that are not the proxy's own.
  private func formatters(
    _ items: [Envoy_Config_Core_V3_TypedExtensionConfig], at place: Place
  ) -> [FilterBinding] {
    var found: [FilterBinding] = []
    var indices: [String: Int] = [:]
    for (index, item) in items.enumerated() where Self.isPlugin(item.typedConfig) {
      let configPlace = place.element(index).field("typed_config")
      // The name of the entry says nothing: the same configuration under another is the same.
      let name = Self.pluginFilter(item.typedConfig) ?? ""
      guard let binding = binding(item.typedConfig, kind: .formatter, name: name, at: configPlace) else {
        lacksFormatter = true
        continue
      }
      if let other = indices[binding.filterName] {
        error("\(binding.filterName) is configured at index \(other) already", at: configPlace)
      }
      indices[binding.filterName] = index
      found.append(binding)
    }
    return found
  }

  /// What the bootstrap says.
  func bootstrapExtensions(
    _ items: [Envoy_Config_Core_V3_TypedExtensionConfig], at place: Place
  ) -> (formatters: [FilterBinding], policies: PluginPolicies?) {
    var policies: PluginPolicies?
    for (index, item) in items.enumerated() where !Self.isPlugin(item.typedConfig) {
      let found = BootstrapExtension.convert(
        item.typedConfig, among: BootstrapExtension.all, with: self,
        at: place.element(index).field("typed_config"))
      if case .plugins(let given)? = found { policies = given }
    }
    let found = formatters(items, at: place)
    operators = plugins?.catalog.operators(found, node: node)
    return (found, policies)
  }

  /// Reads a format with formatters of its own.
  func withFormatters<Result>(
    _ items: [Envoy_Config_Core_V3_TypedExtensionConfig], _ outer: [FilterBinding], at place: Place,
    _ body: () -> Result
  ) -> Result {
    if items.isEmpty { return body() }
    let before = operators
    defer { operators = before }
    // Their own formats have no operators of plugins.
    operators = nil
    operators = plugins?.catalog.operators(outer + formatters(items, at: place), node: node)
    return body()
  }
}
