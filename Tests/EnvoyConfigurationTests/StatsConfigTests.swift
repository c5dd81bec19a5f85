// `stats_config`: tags, matcher, buckets, and what is wrong with them.

import EnvoyConfiguration
import Model
import Testing

@Suite struct StatsConfigTests {
  private func stats(_ fields: String) throws -> StatsConfiguration {
    try load("stats_config: {\(fields)}").configuration.stats
  }

  @Test func defaults() throws {
    #expect(try load("node: {id: a}").configuration.stats == StatsConfiguration())
    #expect(try stats("") == StatsConfiguration())
    #expect(try load("stats_flush_interval: 1s").configuration.statsFlushInterval == .seconds(1))
    #expect(StatsConfiguration().usesDefaultTags && StatsConfiguration().matcher == nil)
  }

  @Test func tags() throws {
    let found = try stats(
      #"use_all_default_tags: false, stats_tags: [{tag_name: a, regex: "^x\\.((.+?)\\.)"}, "#
        + #"{tag_name: b, fixed_value: v}, {tag_name: envoy.cluster_name}, {tag_name: envoy_worker_id}]"#)
    #expect(!found.usesDefaultTags)
    #expect(
      found.tags == [
        .init(name: "a", source: .expression(#"^x\.((.+?)\.)"#)), .init(name: "b", source: .fixed("v")),
        .init(name: "envoy_cluster_name", source: .standard),
        .init(name: "envoy_worker_id", source: .standard),
      ])
  }

  @Test func matchers() throws {
    #expect(try stats("stats_matcher: {reject_all: true}").matcher == StatsConfiguration.Matcher.none)
    #expect(try stats("stats_matcher: {reject_all: false}").matcher == .all)
    #expect(
      try stats("stats_matcher: {exclusion_list: {patterns: [{prefix: a}, {safe_regex: {regex: b+}}]}}")
        .matcher
        == .excluding([StringMatcher(.prefix("a")), StringMatcher(.regex("b+"))]))
    #expect(
      try stats("stats_matcher: {inclusion_list: {patterns: [{exact: A, ignore_case: true}]}}").matcher
        == .including([StringMatcher(.exact("A"), ignoreCase: true)]))
  }

  @Test func buckets() throws {
    #expect(
      try stats("histogram_bucket_settings: [{match: {suffix: time}, buckets: [5, 0.5, 1]}]").buckets
        == [.init(match: StringMatcher(.suffix("time")), bounds: [0.5, 1, 5])])
  }

  @Test(arguments: [
    "stats_tags: [{tag_name: mine}]", "stats_tags: [{regex: (a)}]", "stats_tags: [{tag_name: a, regex: a}]",
    "stats_tags: [{tag_name: a, regex: (}]",
    "stats_tags: [{tag_name: a, fixed_value: b}, {tag_name: a, fixed_value: c}]",
    "stats_matcher: {}", "stats_matcher: {exclusion_list: {}}",
    "stats_matcher: {inclusion_list: {patterns: [{}]}}",
    "histogram_bucket_settings: [{match: {prefix: a}, buckets: [0]}]",
    "histogram_bucket_settings: [{match: {prefix: a}}]", "histogram_bucket_settings: [{buckets: [1]}]",
    "histogram_bucket_settings: [{match: {prefix: a}, buckets: [1], bins: 5}]",
  ])
  func wrong(_ fields: String) {
    let found = errorLines("stats_config: {\(fields)}")
    #expect(found.count == 1, "\(found.joined(separator: "\n"))")
  }
}
