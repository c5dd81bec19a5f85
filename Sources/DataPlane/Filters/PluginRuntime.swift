// What one version of a plugin has defined by number, as a worker uses it: header names as numbers of
// the worker's own table, compiled formats and expressions, slots of runtime values, words of counters.
// Brought up to date when a configuration is applied, before any filter of it runs.
import Model
import Synchronization

final class PluginRuntime {
  let version: PluginVersion
  private unowned(unsafe) let context: WorkerContext
  private let known: KnownOnWorker
  struct Header {
    let id: HeaderID
    /// A pseudo-header, `host`, or a field that filters may not change or that frames: looked at by name.
    let isSpecial: Bool
    let name: ByteView
  }
  /// What is looked up many times a request, at an address that stays.
  struct Tables {
    fileprivate(set) var headers: UnsafeMutablePointer<Header>
    fileprivate(set) var headerCount = 0
    fileprivate(set) var words: UnsafeMutablePointer<Word?>
    fileprivate(set) var wordCount = 0

    @inline(__always)
    func header(_ number: UInt32) -> Header? {
      Int(number) < headerCount ? headers[Int(number)] : nil
    }
  }
  typealias Word = UnsafeMutablePointer<Atomic<UInt64>>
  let tables: UnsafeMutablePointer<Tables>
  private var headerNames: [OwnedText] = []
  /// Nil where nobody wants the format any more.
  private(set) var formats: [FormatProgram?] = []
  /// Of each, which of its number it is.
  private var formatSerials: [UInt64] = []
  /// Nil where RE2 has no memory for it.
  private(set) var expressions: [RegularExpression?] = []
  private(set) var runtimeSlots: [RuntimeSlot] = []
  private(set) var formatNeeds: FormatNeeds = []
  /// Lists of rate limit rules that filters brought themselves.
  private(set) var rateLimits: [RateLimitRules?] = []
  private var metrics: [PluginMetric] = []
  private var histograms: [PagedCounts?] = []
  /// Counters and gauges that are members of families, from `seriesBase` on.
  private var series: [Word] = []
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

  init(version: PluginVersion, context: WorkerContext, known: KnownOnWorker) {
    self.version = version
    self.context = context
    self.known = known
    tables = .allocate(capacity: 1)
    tables.initialize(to: Tables(headers: .allocate(capacity: 1), words: .allocate(capacity: 1)))
    known.add(self)
    update()
  }

  deinit {
    known.remove(of: version)
    tables.pointee.headers.deallocate()
    tables.pointee.words.deallocate()
    tables.deallocate()
  }

  /// Room for what has been defined since.
  private func grow<Element>(
    _ base: inout UnsafeMutablePointer<Element>, _ count: Int, to wanted: Int
  ) {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: Swift.max(wanted, 1))
    larger.moveInitialize(from: base, count: count)
    base.deallocate()
    base = larger
  }

  /// Takes over what has been defined since.
  func update() {
    let all = version.resources
    let firstHeader = tables.pointee.headerCount
    if all.headers.values.count > firstHeader {
      grow(&tables.pointee.headers, firstHeader, to: all.headers.values.count)
    }
    for name in all.headers.values[firstHeader...] {
      let id = context.names.intern(name) ?? .unknown
      let text = OwnedText(name)
      headerNames.append(text)
      let header = Header(
        id: id,
        isSpecial: name[0] == UInt8(ascii: ":") || id == .host || id == .contentLength || id == .unknown
          || HTTP1Encoder.isHopByHop(id), name: text.view)
      (tables.pointee.headers + tables.pointee.headerCount).initialize(to: header)
      tables.pointee.headerCount += 1
    }
    updateFormats(all.formats.slots)
    for pattern in all.expressions.values[expressions.count...] {
      expressions.append(RegularExpression(String(decoding: pattern, as: UTF8.self)))
    }
    for key in all.runtimeKeys.values[runtimeSlots.count...] {
      runtimeSlots.append(context.runtime.slot(key))
    }
    for rules in all.rateLimits.values[rateLimits.count...] {
      let compiled = RateLimitRules(rules, context)
      rateLimits.append(compiled)
      if let compiled { formatNeeds.formUnion(compiled.formatNeeds) }
    }
    if all.metrics.values.count > metrics.count {
      grow(&tables.pointee.words, metrics.count, to: all.metrics.values.count)
    }
    for metric in all.metrics.values[metrics.count...] { add(metric) }
  }

  private func updateFormats(_ slots: [NumberedFormats.Slot]) {
    for (number, slot) in slots.enumerated() {
      if number == formats.count {
        formats.append(nil)
        formatSerials.append(0)
      }
      guard formatSerials[number] != slot.serial else { continue }
      formatSerials[number] = slot.serial
      let program = slot.format.map { FormatProgram($0, names: context.names) }
      formats[number] = program
      formatNeeds.formUnion(program?.needs ?? [])
    }
  }

  /// Nobody wants these formats any more.
  func forget(_ gone: [FormatNumber]) {
    for format in gone where format.number < formats.count && formatSerials[format.number] == format.serial {
      formats[format.number] = nil
    }
  }

  /// No format is written any more. An operator in an argument of another of the same plugin would keep this
  /// for ever otherwise.
  func forgetFormats() {
    for number in formats.indices { formats[number] = nil }
  }

  private func add(_ metric: PluginMetric) {
    metrics.append(metric)
    let scope: StatValue.Scope = metric.manager.isEmpty ? .other("") : .http(metric.manager)
    let isFamily = !metric.labels.isEmpty
    let word =
      isFamily || metric.kind == .histogram
      ? nil : context.stats.word(metric.name, kind: metric.statKind, scope: scope, worker: context.index)
    (tables.pointee.words + tables.pointee.wordCount).initialize(to: word)
    tables.pointee.wordCount += 1
    histograms.append(
      metric.kind == .histogram
        ? context.stats.histogram(metric.name, scope: scope, worker: context.index) : nil)
  }

  // MARK: Metrics

  /// Nil: no counter or gauge of that number.
  @inline(__always)
  func word(_ metric: UInt32) -> Word? {
    let index = Int(metric)
    if index < tables.pointee.wordCount { return tables.pointee.words[index] }
    return member(metric)
  }

  private func member(_ number: UInt32) -> Word? {
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
