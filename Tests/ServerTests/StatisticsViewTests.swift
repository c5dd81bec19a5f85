// `stats_config` at work: names, tags, what is shown, buckets.
import Admin
import Model
import Testing

@testable import Server

@Suite struct StatisticsViewTests {
  private func view(_ change: (inout StatsConfiguration) -> Void) -> StatisticsView {
    var model = StatsConfiguration()
    change(&model)
    return StatisticsView(model)
  }

  private func cluster(_ view: StatisticsView, _ name: String) -> StatisticName {
    view.name(root: "cluster", owner: .init("envoy_cluster_name", "a_blue"), name: name)
  }

  @Test func defaultTags() {
    let name = cluster(view { _ in }, "upstream_rq_2xx")
    #expect(name.text == "cluster.a_blue.upstream_rq_2xx")
    #expect(name.tagged == "cluster.upstream_rq_xx")
    #expect(name.tags.map(\.name) == ["envoy_response_code_class", "envoy_cluster_name"])
  }

  @Test func withoutDefaultTags() {
    let bare = view { $0.usesDefaultTags = false }
    #expect(cluster(bare, "upstream_rq_2xx").tagged == "cluster.a_blue.upstream_rq_2xx")
    #expect(cluster(bare, "upstream_rq_2xx").tags.isEmpty)
    let one = view {
      $0.usesDefaultTags = false
      $0.tags = [.init(name: "envoy_cluster_name", source: .standard)]
    }
    #expect(cluster(one, "upstream_rq_200").tagged == "cluster.upstream_rq_200")
    #expect(cluster(one, "upstream_rq_200").tags == [.init("envoy_cluster_name", "a_blue")])
  }

  @Test func ownTags() {
    let own = view {
      $0.usesDefaultTags = false
      $0.tags = [
        .init(name: "color", source: .expression(#"^cluster\..+?(_(blue|green))\."#)),
        .init(name: "place", source: .fixed("here")),
      ]
    }
    let name = cluster(own, "x")
    #expect(name.text == "cluster.a_blue.x")
    #expect(name.tagged == "cluster.a.x")
    #expect(name.tags == [.init("color", "blue"), .init("place", "here")])
    #expect(own.name(root: "server", name: "live").tags == [.init("place", "here")])
  }

  @Test func matchers() {
    let without = view { $0.matcher = .excluding([StringMatcher(.prefix("cluster."))]) }
    #expect(!without.shows("cluster.a") && without.shows("server.live"))
    let only = view { $0.matcher = .including([StringMatcher(.regex("server\\.(live|state)"))]) }
    #expect(only.shows("server.live") && !only.shows("server.lively"))
    #expect(!view { $0.matcher = StatsConfiguration.Matcher.none }.shows("a"))
    #expect(view { $0.matcher = .all }.shows("a"))
  }

  @Test func buckets() {
    let own = view { $0.buckets = [.init(match: StringMatcher(.suffix("time")), bounds: [1, 2])] }
    #expect(own.bounds(of: "a.rq_time") == [1, 2])
    #expect(own.bounds(of: "a.length") == HistogramStatistic.defaultBounds)
  }
}
