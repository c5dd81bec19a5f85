// `/stats` and `/stats/prometheus`: selection by name and kind, and the three formats.

extension AdminHandler {
  /// What a request selects.
  private struct Selection {
    var statistics: [Statistic] = []
    var histograms: [HistogramStatistic] = []
  }

  func stats(_ request: AdminRequest, format: String?) -> AdminResponse {
    guard let mode = HistogramMode(parameter: request.parameter("histogram_buckets")) else {
      return .badRequest(
        "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary)\n\n")
    }
    let selected: Selection
    do {
      selected = try select(request)
    } catch {
      return .badRequest(error.text)
    }
    switch format ?? "text" {
    case "text", "":
      let lines = selected.statistics.map { "\($0.name): \($0.value)\n" }
      let histograms = selected.histograms.map { "\($0.id.text):\($0.text(mode))\n" }
      return AdminResponse(body: (lines + histograms).joined())
    case "json":
      var items = selected.statistics.map { statistic in
        JSONValue.object([
          .init("name", .string(statistic.name)), .init("value", .integer(statistic.value)),
        ])
      }
      if !selected.histograms.isEmpty {
        items.append(HistogramStatistic.json(selected.histograms, mode))
      }
      return AdminResponse(.json, body: JSONValue.object([.init("stats", .array(items))]).compact)
    case "prometheus":
      let isSummary = request.parameter("histogram_buckets") == "summary"
      guard isSummary || mode == .cumulative || mode == .summary else {
        return .badRequest("unsupported prometheus histogram bucket mode")
      }
      return AdminResponse(
        body: PrometheusText.render(
          selected.statistics, histograms: selected.histograms, summaries: isSummary))
    default: return .badRequest("usage: /stats?format=(json|prometheus|text)\n\n")
    }
  }

  /// `filter`, `invert_filter`, `usedonly` and `type`, in order of names. Envoy marks a statistic as
  /// used when it is first written; we count without marking, and take "not zero" for it.
  private func select(_ request: AdminRequest) throws(NamePattern.Problem) -> Selection {
    var kinds: Set<Statistic.Kind> = []
    var histograms = false
    switch request.parameter("type") {
    case nil, "All":
      kinds = [.counter, .gauge]
      histograms = true
    case "Counters": kinds = [.counter]
    case "Gauges": kinds = [.gauge]
    case "Histograms": histograms = true
    // There are none here.
    case "TextReadouts": break
    default: throw .init(text: "invalid &type= param")
    }
    let pattern = try Self.pattern(request)
    let inverted = request.parameter("invert_filter") != nil
    let usedOnly = request.parameter("usedonly") != nil
    func matches(_ name: String) -> Bool { pattern.map { $0.matches(name) != inverted } ?? true }
    var selection = Selection()
    if !kinds.isEmpty {
      selection.statistics = source.statistics()
        .filter { (!usedOnly || $0.value != 0) && kinds.contains($0.kind) && matches($0.name) }
        .sorted { $0.name < $1.name }
    }
    if histograms {
      selection.histograms = source.histograms()
        .filter { (!usedOnly || !$0.cumulative.isEmpty) && matches($0.id.text) }
        .sorted { $0.id.text < $1.id.text }
    }
    return selection
  }

  /// The compiled `filter`, if there is one.
  static func pattern(_ request: AdminRequest) throws(NamePattern.Problem) -> NamePattern? {
    guard let expression = request.parameter("filter"), !expression.isEmpty else { return nil }
    do {
      return try NamePattern(expression)
    } catch {
      throw .init(text: "Invalid regex: \(error.text): \(expression)\n")
    }
  }
}
