// What one version of a plugin has defined by number, as a worker uses it: header names as numbers of
// the worker's own table, compiled formats and expressions, slots of runtime values, words of counters.
// Brought up to date when a configuration is applied, before any filter of it runs.
import Model
import Synchronization

final class PluginRuntime {
  let version: PluginVersion
  private unowned(unsafe) let context: WorkerContext
  struct Header {
    let id: HeaderID
    let name: OwnedText
    /// A pseudo-header, `host`, or a field that filters may not change or that frames: looked at by name.
    let isSpecial: Bool
  }
  private(set) var headers: [Header] = []
  private(set) var formats: [FormatProgram] = []
  /// Nil where RE2 has no memory for it.
  private(set) var expressions: [RegularExpression?] = []
  private(set) var runtimeSlots: [RuntimeSlot] = []
  private(set) var formatNeeds: FormatNeeds = []
  private var metrics: [PluginMetric] = []
  /// Counters and gauges: those that were defined by their numbers, members of families from `seriesBase`.
  private var words: [UnsafeMutablePointer<Atomic<UInt64>>?] = []
  private var histograms: [PagedCounts?] = []
  private var series: [UnsafeMutablePointer<Atomic<UInt64>>] = []
  /// Of the members, in the order of `series`.
  private var seriesKinds: [PluginMetric.Kind] = []
  private var families: [Int: Family] = [:]

  private struct Family {
    var members: [[UInt8]: UInt32] = [:]
    var overflow: UInt32?
  }

  /// Numbers of members of families begin here: there are at most 65,535 definitions.
  static let seriesBase: UInt32 = 1 << 16
  /// Members of a family on one worker; the rest share one.
  static let seriesLimit = 1000

  init(version: PluginVersion, context: WorkerContext) {
    self.version = version
    self.context = context
    update()
  }

  /// Takes over what has been defined since.
  func update() {
    let all = version.resources
    for name in all.headers.values[headers.count...] {
      let id = context.names.intern(name) ?? .unknown
      headers.append(
        Header(
          id: id, name: OwnedText(String(decoding: name, as: UTF8.self)),
          isSpecial: name[0] == UInt8(ascii: ":") || id == .host || id == .contentLength || id == .unknown
            || HTTP1Encoder.isHopByHop(id)))
    }
    for format in all.parsedFormats[formats.count...] {
      let program = FormatProgram(format, names: context.names)
      formats.append(program)
      formatNeeds.formUnion(program.needs)
    }
    for pattern in all.expressions.values[expressions.count...] {
      expressions.append(RegularExpression(String(decoding: pattern, as: UTF8.self)))
    }
    for key in all.runtimeKeys.values[runtimeSlots.count...] {
      runtimeSlots.append(context.runtime.slot(key))
    }
    for metric in all.metrics.values[metrics.count...] { add(metric) }
  }

  private func add(_ metric: PluginMetric) {
    metrics.append(metric)
    let scope: StatValue.Scope = metric.manager.isEmpty ? .other("") : .http(metric.manager)
    let isFamily = !metric.labels.isEmpty
    words.append(
      isFamily || metric.kind == .histogram
        ? nil : context.stats.word(metric.name, kind: metric.statKind, scope: scope, worker: context.index))
    histograms.append(
      metric.kind == .histogram
        ? context.stats.histogram(metric.name, scope: scope, worker: context.index) : nil)
  }

  // MARK: Metrics

  /// Nil: no counter or gauge of that number.
  @inline(__always)
  func word(_ metric: UInt32) -> UnsafeMutablePointer<Atomic<UInt64>>? {
    let index = Int(metric)
    if index < words.count { return words[index] }
    return member(metric)
  }

  private func member(_ number: UInt32) -> UnsafeMutablePointer<Atomic<UInt64>>? {
    let index = Int(number) - Int(PluginRuntime.seriesBase)
    return index >= 0 && index < series.count ? series[index] : nil
  }

  func isGauge(_ metric: UInt32) -> Bool {
    if Int(metric) < metrics.count { return metrics[Int(metric)].kind == .gauge }
    let index = Int(metric) - Int(PluginRuntime.seriesBase)
    return index >= 0 && index < seriesKinds.count && seriesKinds[index] == .gauge
  }

  func histogram(_ metric: UInt32) -> PagedCounts? {
    Int(metric) < histograms.count ? histograms[Int(metric)] : nil
  }

  /// The member of a family with these label values. Nil: no such family, or another number of labels.
  func member(of family: UInt32, _ values: [[UInt8]]) -> UInt32? {
    let index = Int(family)
    guard index < metrics.count, !metrics[index].labels.isEmpty, metrics[index].labels.count == values.count
    else {
      return nil
    }
    // No value has a zero byte that could move the border between two.
    let key = Array(values.joined(separator: [0]))
    if let known = families[index]?.members[key] { return known }
    var state = families[index] ?? Family()
    if state.members.count >= PluginRuntime.seriesLimit {
      if let overflow = state.overflow { return overflow }
      let made = make(metrics[index], values.map { _ in "overflow" })
      state.overflow = made
      families[index] = state
      return made
    }
    let made = make(metrics[index], values.map { String(decoding: $0, as: UTF8.self) })
    state.members[key] = made
    families[index] = state
    return made
  }

  private func make(_ metric: PluginMetric, _ values: [String]) -> UInt32 {
    seriesKinds.append(metric.kind)
    series.append(
      context.stats.word(
        metric.name, kind: metric.statKind,
        scope: .series(manager: metric.manager, labels: metric.labels, values: values), worker: context.index)
    )
    return PluginRuntime.seriesBase + UInt32(series.count - 1)
  }
}

extension PluginMetric {
  fileprivate var statKind: StatValue.Kind { kind == .gauge ? .gauge : .counter }
}
