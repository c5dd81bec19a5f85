// A histogram in the forms of `/stats`: text and JSON, as quantiles, buckets or bins.

/// `histogram_buckets` of `/stats`.
enum HistogramMode: String {
  case summary, cumulative, disjoint, detailed

  /// Nil for what is none. Without a value it is the summary; Envoy takes `none` for that too.
  init?(parameter: String?) {
    switch parameter {
    case nil, "", "none": self = .summary
    case let name?: self.init(rawValue: name)
    }
  }
}

extension HistogramStatistic {
  /// What stands behind `name:` in the text.
  func text(_ mode: HistogramMode) -> String {
    if cumulative.isEmpty { return " No recorded values" }
    switch mode {
    case .summary: return " " + quantileText
    case .cumulative:
      return bucketText(interval.counts(upTo: bounds), cumulative.counts(upTo: bounds))
    case .disjoint:
      return bucketText(interval.counts(between: bounds), cumulative.counts(between: bounds))
    case .detailed:
      return "\n  totals=\(Self.text(cumulative))\n  intervals=\(Self.text(interval))"
        + "\n  summary=\(quantileText)"
    }
  }

  private var quantileText: String {
    let recent = interval.values(at: Self.quantiles)
    let whole = cumulative.values(at: Self.quantiles)
    return Self.quantiles.indices.map {
      "P\(Number.text(Self.percents[$0]))(\(Number.text(recent[$0])),\(Number.text(whole[$0])))"
    }.joined(separator: " ")
  }

  private func bucketText(_ recent: [UInt64], _ whole: [UInt64]) -> String {
    bounds.indices.map { " B\(Number.general(bounds[$0]))(\(recent[$0]),\(whole[$0]))" }.joined()
  }

  private static func text(_ distribution: Distribution) -> String {
    distribution.bins.map {
      "\(Number.text($0.lower)),\(Number.text($0.width)):\($0.count)"
    }.joined(separator: ", ")
  }

  /// All histograms as the one element that they are of the JSON's list.
  static func json(_ histograms: [HistogramStatistic], _ mode: HistogramMode) -> JSONValue {
    let supported = JSONValue.array(percents.map { .number($0) })
    let value: JSONValue
    switch mode {
    case .summary:
      let items = histograms.map { histogram in
        JSONValue.object([
          .init("name", .string(histogram.id.text)), .init("values", histogram.quantileJSON),
        ])
      }
      value = .object([
        .init("supported_quantiles", supported), .init("computed_quantiles", .array(items)),
      ])
    case .cumulative, .disjoint: value = .array(histograms.map { $0.bucketJSON(mode) })
    case .detailed:
      let items = histograms.map { histogram in
        JSONValue.object([
          .init("name", .string(histogram.id.text)),
          .init("totals", json(histogram.cumulative)), .init("intervals", json(histogram.interval)),
          .init("percentiles", histogram.quantileJSON),
        ])
      }
      value = .object([.init("supported_percentiles", supported), .init("details", .array(items))])
    }
    return .object([.init("histograms", value)])
  }

  private var quantileJSON: JSONValue {
    let recent = interval.values(at: Self.quantiles)
    let whole = cumulative.values(at: Self.quantiles)
    return .array(
      recent.indices.map {
        .object([.init("cumulative", .number(whole[$0])), .init("interval", .number(recent[$0]))])
      })
  }

  private func bucketJSON(_ mode: HistogramMode) -> JSONValue {
    func counts(_ distribution: Distribution) -> [UInt64] {
      mode == .disjoint ? distribution.counts(between: bounds) : distribution.counts(upTo: bounds)
    }
    let recent = counts(interval)
    let whole = counts(cumulative)
    let buckets = bounds.indices.map {
      JSONValue.object([
        .init("upper_bound", .number(bounds[$0])), .init("interval", .integer(recent[$0])),
        .init("cumulative", .integer(whole[$0])),
      ])
    }
    return .object([.init("name", .string(id.text)), .init("buckets", .array(buckets))])
  }

  private static func json(_ distribution: Distribution) -> JSONValue {
    .array(
      distribution.bins.map {
        .object([
          .init("lower_bound", .number($0.lower)), .init("width", .number($0.width)),
          .init("count", .integer($0.count)),
        ])
      })
  }
}
