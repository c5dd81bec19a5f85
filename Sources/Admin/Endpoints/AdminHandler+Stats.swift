// `/stats` and `/stats/prometheus`: selection by name and kind, and the three formats.

extension AdminHandler {
  func stats(_ request: AdminRequest, format: String?) -> AdminResponse {
    let selected: [Statistic]
    do {
      selected = try select(request)
    } catch {
      return .badRequest(error.text)
    }
    switch format ?? "text" {
    case "text", "":
      let lines = selected.sorted { $0.name < $1.name }.map { "\($0.name): \($0.value)\n" }
      return AdminResponse(body: lines.joined())
    case "json":
      let items = selected.sorted { $0.name < $1.name }.map { statistic in
        JSONValue.object([
          .init("name", .string(statistic.name)), .init("value", .integer(statistic.value)),
        ])
      }
      return AdminResponse(.json, body: JSONValue.object([.init("stats", .array(items))]).compact)
    case "prometheus": return AdminResponse(body: PrometheusText.render(selected))
    default: return .badRequest("usage: /stats?format=(json|prometheus|text)\n\n")
    }
  }

  /// `filter`, `invert_filter`, `usedonly` and `type`. Envoy marks a statistic as used when it is
  /// first written; we count without marking, and take "not zero" for it.
  private func select(_ request: AdminRequest) throws(NamePattern.Problem) -> [Statistic] {
    var kinds: Set<Statistic.Kind> = [.counter, .gauge]
    switch request.parameter("type") {
    case nil, "All": break
    case "Counters": kinds = [.counter]
    case "Gauges": kinds = [.gauge]
    default: throw .init(text: "invalid &type= param")
    }
    let pattern = try Self.pattern(request)
    let inverted = request.parameter("invert_filter") != nil
    let usedOnly = request.parameter("usedonly") != nil
    return source.statistics().filter { statistic in
      if usedOnly, statistic.value == 0 { return false }
      guard kinds.contains(statistic.kind) else { return false }
      return pattern.map { $0.matches(statistic.name) != inverted } ?? true
    }
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
