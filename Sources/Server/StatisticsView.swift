// Which statistics are shown, under which tags and in which buckets: `stats_config`, compiled.
import Admin
import DataPlane
import Model

final class StatisticsView: Sendable {
  private enum Matcher: Sendable {
    case all
    case none
    case excluding([NameMatcher])
    case including([NameMatcher])
  }
  private let matcher: Matcher
  private let usesDefaultTags: Bool
  /// Default tags that are used although not all are.
  private let standardTags: Set<String>
  private let fixedTags: [StatisticName.Tag]
  private let expressions: [(name: String, expression: NameExpression)]
  private let buckets: [(match: NameMatcher, bounds: [Double])]

  init(_ model: StatsConfiguration) {
    switch model.matcher {
    case nil, .all?: matcher = .all
    case StatsConfiguration.Matcher.none?: matcher = .none
    case .excluding(let list)?: matcher = .excluding(list.map(NameMatcher.init))
    case .including(let list)?: matcher = .including(list.map(NameMatcher.init))
    }
    usesDefaultTags = model.usesDefaultTags
    var standard: Set<String> = []
    var fixed: [StatisticName.Tag] = []
    var expressions: [(name: String, expression: NameExpression)] = []
    for tag in model.tags {
      switch tag.source {
      case .fixed(let value): fixed.append(.init(tag.name, value))
      case .expression(let pattern): expressions.append((tag.name, NameExpression(pattern)))
      case .standard: standard.insert(tag.name)
      }
    }
    standardTags = standard
    fixedTags = fixed
    self.expressions = expressions
    buckets = model.buckets.map { (NameMatcher($0.match), $0.bounds) }
  }

  /// `inner`: what the statistic belongs to within its owner, named behind `label`.
  func name(
    root: String, owner: StatisticName.Tag? = nil,
    inner: (label: String, tag: StatisticName.Tag)? = nil, name: String
  ) -> StatisticName {
    let whole = inner.map { "\($0.label).\($0.tag.value).\(name)" } ?? name
    var result = StatisticName(root: root, owner: owner, name: whole) { uses($0) }
    if let (label, tag) = inner, uses(tag.name) {
      result = result.adding(tag, behind: label, inside: label != "route")
    }
    if let (tag, part) = Self.limitPrefix(result.tagged), uses(tag.name) {
      result = result.adding(tag, without: part)
    }
    return withConfiguredTags(result)
  }

  /// A name that is made of its parts already.
  func name(text: String, tagged: String, tags: [StatisticName.Tag]) -> StatisticName {
    withConfiguredTags(StatisticName(text: text, tagged: tagged, tags: tags))
  }

  private func withConfiguredTags(_ name: StatisticName) -> StatisticName {
    var result = name
    for (tag, expression) in expressions {
      guard let (first, second) = expression.groups(in: result.text), let first else { continue }
      result = result.adding(.init(tag, second ?? first), without: first)
    }
    for tag in fixedTags { result = result.adding(tag, without: "") }
    return result
  }

  /// Of a local rate limit's name the part that the operator has chosen, which Envoy makes a tag.
  private static func limitPrefix(_ name: String) -> (tag: StatisticName.Tag, part: String)? {
    let http = ".http_local_rate_limit."
    if let range = name.firstRange(of: http) {
      let prefix = String(name[..<range.lowerBound])
      return (.init("envoy_local_http_ratelimit_prefix", prefix), prefix + ".")
    }
    let network = "local_rate_limit."
    guard name.hasPrefix(network), let dot = name.lastIndex(of: ".") else { return nil }
    let start = name.index(name.startIndex, offsetBy: network.count)
    guard start < dot else { return nil }
    let prefix = String(name[start..<dot])
    return (.init("envoy_local_network_ratelimit_prefix", prefix), prefix + ".")
  }

  private func uses(_ tag: String) -> Bool { usesDefaultTags || standardTags.contains(tag) }

  func shows(_ name: String) -> Bool {
    switch matcher {
    case .all: true
    case .none: false
    case .excluding(let list): !list.contains { $0.matches(name) }
    case .including(let list): list.contains { $0.matches(name) }
    }
  }

  func bounds(of name: String) -> [Double] {
    buckets.first { $0.match.matches(name) }?.bounds ?? HistogramStatistic.defaultBounds
  }
}
