// Histograms and response codes: bins, sums over workers, intervals.
import Testing

@testable import DataPlane

@Suite struct HistogramTests {
  private func find(_ registry: StatRegistry, _ name: String) -> HistogramValue? {
    registry.histogramSnapshot().first { $0.name == name }
  }

  /// Every value is in the bin that two significant digits give it.
  @Test func bins() {
    var values: [UInt64] = Array(0...2000)
    for power in 3...18 {
      let ten = (0..<power).reduce(UInt64(1)) { value, _ in value * 10 }
      values += [ten - 1, ten, ten + 1, ten * 9, ten * 9 + ten / 2]
    }
    for value in values where value < 1_000_000_000_000 {
      let place = HistogramBins.place(of: value)
      #expect(place.page < HistogramBins.pages && place.index < PagedCounts.pageWords)
      let bin = HistogramBins.bin(page: place.page, index: place.index, count: 1)
      #expect(Double(value) >= bin.lower && Double(value) < bin.lower + max(bin.width, 0.1))
      if value >= 100 { #expect(bin.width / bin.lower <= 0.1) }
    }
    for value in [UInt64(1_000_000_000_000), .max] {
      let place = HistogramBins.place(of: value)
      #expect(place.page == HistogramBins.pages - 1 && place.index == 89)
    }
    #expect(HistogramBins.bin(page: 0, index: 0, count: 1).width == 0)
    #expect(HistogramBins.bin(page: 0, index: 5, count: 1).width == 0.1)
    #expect(HistogramBins.bin(page: 1, index: 6, count: 1) == .init(lower: 160, width: 10, count: 1))
  }

  @Test func sumsOverWorkersAndIntervals() throws {
    let registry = StatRegistry()
    let scope = StatValue.Scope.http("p")
    let first = registry.histograms(HTTPHistogram.self, scope: scope, worker: 0)
    let second = registry.histograms(HTTPHistogram.self, scope: scope, worker: 1)
    first.record(.requestTime, 5)
    first.record(.requestTime, 163)
    second.record(.requestTime, 5)
    var value = try #require(find(registry, "downstream_rq_time"))
    #expect(
      value.cumulative == [.init(lower: 5, width: 0.1, count: 2), .init(lower: 160, width: 10, count: 1)])
    #expect(value.interval.isEmpty)
    registry.flush()
    value = try #require(find(registry, "downstream_rq_time"))
    #expect(value.interval == value.cumulative)
    second.record(.requestTime, 7)
    registry.flush()
    value = try #require(find(registry, "downstream_rq_time"))
    #expect(value.interval == [.init(lower: 7, width: 0.1, count: 1)])
    #expect(value.cumulative.map(\.count) == [2, 1, 1])
    registry.flush()
    #expect(try #require(find(registry, "downstream_rq_time")).interval.isEmpty)
    #expect(try #require(find(registry, "downstream_cx_length_ms")).cumulative.isEmpty)
  }

  @Test func timesAreMilliseconds() throws {
    let registry = StatRegistry()
    let histograms = registry.histograms(ListenerHistogram.self, scope: .listener("l"), worker: 0)
    histograms.record(.connectionLength, from: 1_000_000, to: 3_999_999)
    histograms.record(.connectionLength, from: 5, to: 4)
    let value = try #require(find(registry, "downstream_cx_length_ms"))
    #expect(value.cumulative.map(\.lower) == [0, 2])
  }

  @Test func someAreHiddenUntilUsed() {
    let registry = StatRegistry()
    let cluster = registry.histograms(ClusterHistogram.self, scope: .cluster("c"), worker: 0)
    #expect(find(registry, "upstream_cx_connect_ms") != nil)
    #expect(find(registry, "upstream_rq_time") == nil)
    cluster.record(.externalRequestTime, 1)
    #expect(find(registry, "external.upstream_rq_time") != nil)
    #expect(find(registry, "internal.upstream_rq_time") == nil)
  }

  @Test func responseCodes() {
    let registry = StatRegistry()
    let scope = StatValue.Scope.cluster("c")
    #expect(registry.snapshot().isEmpty)
    for worker in 0..<2 {
      let codes = registry.responseCodes(.all, scope: scope, worker: worker)
      for status in [200, 204, 404, 599] { codes.add(status) }
    }
    registry.responseCodes(.external, scope: scope, worker: 0).add(503)
    registry.responseCodes(.all, scope: scope, worker: 1).add(700)
    let values = Dictionary(uniqueKeysWithValues: registry.snapshot().map { ($0.name, $0.value) })
    #expect(
      values == [
        "upstream_rq_completed": 9, "upstream_rq_2xx": 4, "upstream_rq_4xx": 2, "upstream_rq_5xx": 2,
        "upstream_rq_200": 2, "upstream_rq_204": 2, "upstream_rq_404": 2, "upstream_rq_599": 2,
        "upstream_rq_unknown": 1, "external.upstream_rq_completed": 1, "external.upstream_rq_5xx": 1,
        "external.upstream_rq_503": 1,
      ])
  }

  @Test func drainShares() {
    var shares = DrainShares()
    shares.set(share: 100, inboundOnly: true)
    #expect(shares.inbound == 100 && shares.others == 0)
    shares.healthCheckFailed = true
    #expect(shares.inbound == 65_536 && shares.others == 65_536)
    shares.healthCheckFailed = false
    #expect(shares.inbound == 100 && shares.others == 0)
  }
}
