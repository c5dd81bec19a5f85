// The Prometheus text exposition format (version 0.0.4) of the statistics, as Envoy writes it:
// counters first, then gauges, then histograms; one `# TYPE` line a metric; braces even where there
// is no tag.

/// Writes `/stats/prometheus`.
enum PrometheusText {
  /// `summaries`: histograms as the quantiles of the last interval.
  static func render(
    _ statistics: [Statistic], histograms: [HistogramStatistic] = [], summaries: Bool = false
  ) -> String {
    var out = ""
    // A metric name may have one type only: where two disagree, the counter is kept.
    var written: Set<String> = []
    for kind in [Statistic.Kind.counter, .gauge] {
      let metrics = Dictionary(
        grouping: statistics.lazy.filter { $0.kind == kind }, by: { metricName($0.taggedName) })
      for (name, samples) in metrics.sorted(by: { $0.key < $1.key }) {
        guard written.insert(name).inserted else { continue }
        out += "# TYPE \(name) \(kind == .counter ? "counter" : "gauge")\n"
        for (labels, value) in merged(samples) { out += "\(name){\(labels)} \(value)\n" }
      }
    }
    let metrics = Dictionary(grouping: histograms, by: { metricName($0.id.tagged) })
    for (name, samples) in metrics.sorted(by: { $0.key < $1.key }) {
      guard written.insert(name).inserted else { continue }
      out += "# TYPE \(name) \(summaries ? "summary" : "histogram")\n"
      // Where two have the same labels a scraper would refuse both; the first is kept.
      var labelled: Set<String> = []
      for sample in samples.sorted(by: { $0.id.text < $1.id.text }) {
        let labels = labels(sample.id.tags)
        guard labelled.insert(labels).inserted else { continue }
        out += summaries ? summary(sample, name, labels) : buckets(sample, name, labels)
      }
    }
    return out
  }

  private static func buckets(_ sample: HistogramStatistic, _ name: String, _ labels: String)
    -> String
  {
    let before = labels.isEmpty ? "" : labels + ","
    let total = sample.cumulative.count
    var out = ""
    for (bound, count) in zip(sample.bounds, sample.cumulative.counts(upTo: sample.bounds)) {
      out += "\(name)_bucket{\(before)le=\"\(Number.text(bound))\"} \(count)\n"
    }
    out += "\(name)_bucket{\(before)le=\"+Inf\"} \(total)\n"
    out += "\(name)_sum{\(labels)} \(Number.text(sample.cumulative.sum))\n"
    return out + "\(name)_count{\(labels)} \(total)\n"
  }

  /// Of the last interval, as Envoy.
  private static func summary(_ sample: HistogramStatistic, _ name: String, _ labels: String)
    -> String
  {
    let before = labels.isEmpty ? "" : labels + ","
    let values = sample.interval.values(at: HistogramStatistic.quantiles)
    var out = ""
    for (quantile, value) in zip(HistogramStatistic.quantiles, values) {
      // The format knows NaN by this name only.
      let text = value.isNaN ? "NaN" : Number.text(value)
      out += "\(name){\(before)quantile=\"\(Number.text(quantile))\"} \(text)\n"
    }
    out += "\(name)_sum{\(labels)} \(Number.text(sample.interval.sum))\n"
    return out + "\(name)_count{\(labels)} \(sample.interval.count)\n"
  }

  /// Samples with the same labels would be refused by a scraper; their sum is what they mean.
  private static func merged(_ samples: [Statistic]) -> [(labels: String, value: UInt64)] {
    var sums: [String: UInt64] = [:]
    for sample in samples { sums[labels(sample.tags), default: 0] &+= sample.value }
    return sums.sorted { $0.key < $1.key }.map { (labels: $0.key, value: $0.value) }
  }

  /// `envoy_` and the name with everything outside `[a-zA-Z0-9_]` as an underscore.
  static func metricName(_ name: String) -> String { "envoy_" + sanitized(name) }

  static func labels(_ tags: [Statistic.Tag]) -> String {
    tags.map { "\(sanitized($0.name))=\"\(escaped($0.value))\"" }.joined(separator: ",")
  }

  private static func sanitized(_ name: String) -> String {
    String(
      decoding: name.utf8.map { byte -> UInt8 in
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "_"): byte
        default: UInt8(ascii: "_")
        }
      }, as: UTF8.self)
  }

  /// A label value escapes backslash, quotation mark and line feed; nothing else.
  private static func escaped(_ value: String) -> String {
    var out = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\"": out += "\\\""
      case "\n": out += "\\n"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
