// The runtime layers of the process: what each says, and what they amount to. The control side's; the
// workers get the sum.
import Admin
import EnvoyConfiguration
import Model

struct RuntimeLayers: Sendable {
  private struct Layer {
    let model: RuntimeLayer
    var values: [String: RuntimeValue]
    /// False: a directory that is not there, and counts as no layer.
    var exists = true
  }
  private var layers: [Layer]
  private let serviceCluster: String
  /// Of the last reading, a line each.
  private(set) var problems: [String] = []
  private(set) var loads: UInt64 = 0
  private(set) var failures: UInt64 = 0

  init(_ models: [RuntimeLayer], serviceCluster: String) {
    self.serviceCluster = serviceCluster
    layers = models.map { model in
      if case .fixed(let values) = model.source { return Layer(model: model, values: values) }
      return Layer(model: model, values: [:])
    }
    readDirectories()
  }

  /// Reads the layers on disk again.
  mutating func readDirectories() {
    problems = []
    for index in layers.indices {
      guard case .disk(let directory, let appendsCluster) = layers[index].model.source else { continue }
      let read = RuntimeDirectory(appendsCluster ? "\(directory)/\(serviceCluster)" : directory)
      problems += read.problems
      layers[index].values = read.values
      layers[index].exists = read.exists
    }
    if problems.isEmpty { loads += 1 } else { failures += 1 }
  }

  /// Sets values of the admin layer; an empty text takes a value away. False: there is no such layer.
  mutating func set(_ changes: [(key: String, text: String)]) -> Bool {
    guard let index = layers.firstIndex(where: { $0.model.source == .admin }) else { return false }
    for (key, text) in changes {
      layers[index].values[key] = text.isEmpty ? nil : RuntimeText.value(text)
    }
    loads += 1
    return true
  }

  /// What stands under each key now.
  var values: [String: RuntimeValue] {
    layers.reduce(into: [:]) { result, layer in result.merge(layer.values) { _, later in later } }
  }

  var report: RuntimeReport {
    let shown = layers.filter(\.exists)
    let entries = values.sorted { $0.key < $1.key }.map { key, value in
      RuntimeReport.Entry(
        key: key, layerValues: shown.map { $0.values[key]?.text ?? "" }, finalValue: value.text)
    }
    return RuntimeReport(layers: shown.map(\.model.name), entries: entries)
  }

  var statistics: [Statistic] {
    let overrides = layers.contains { $0.model.source == .admin && !$0.values.isEmpty }
    func make(_ name: String, _ kind: Statistic.Kind, _ value: UInt64) -> Statistic {
      Statistic(root: "runtime", name: name, kind: kind, value: value)
    }
    return [
      make("admin_overrides_active", .gauge, overrides ? 1 : 0),
      make("load_error", .counter, failures), make("load_success", .counter, loads),
      make("num_keys", .gauge, UInt64(values.count)),
      make("num_layers", .gauge, UInt64(layers.count(where: \.exists))),
    ]
  }
}
