// The root and the node of the v2 age.

extension UpgradeRules {
  /// `runtime`, one disk layer with a `base`, came before `layered_runtime`.
  static func bootstrap(_ entries: inout Entries, in scope: Scope) {
    guard let index = index(of: "runtime", entries) else { return }
    let runtime = entries.remove(at: index)
    if has("layered_runtime", entries) {
      scope.refused(
        "`runtime` and `layered_runtime` cannot both stand; keep `layered_runtime`", runtime)
      return
    }
    let fields = runtime.value.entries ?? []
    if let disk = fields.first(where: { $0.key != "base" && !$0.value.isNull }) {
      scope.refused(
        "`runtime` of the v2 API is not supported with `\(disk.key)`: runtime layers on disk are "
          + "not in this version",
        runtime)
      return
    }
    guard let base = fields.first else { return }
    scope.changed("`runtime.base` is now a `static_layer` of `layered_runtime`", runtime)
    let position = runtime.value.position
    let layer = ConfigurationNode(
      .mapping([
        .init(key: "name", position: position, value: .text("base", at: position)),
        .init(key: "static_layer", position: base.position, value: base.value),
      ]), at: position)
    entries.append(
      .init(
        key: "layered_runtime", position: runtime.position,
        value: mapping("layers", list([layer], at: position))))
  }

  /// `build_version` told the control plane about the binary; nothing asks for it now.
  static func node(_ entries: inout Entries, in scope: Scope) {
    guard let index = index(of: "build_version", entries) else { return }
    scope.changed("`build_version` is gone", entries[index])
    entries.remove(at: index)
  }
}
