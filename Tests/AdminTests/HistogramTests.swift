// Quantiles, buckets and their texts. The numbers were read from Envoy 1.40 with the same values.
import Testing

@testable import Admin

@Suite struct HistogramTests {
  typealias Distribution = HistogramStatistic.Distribution
  let fixture = Fixture(histograms: Fixture.twoHistograms)

  private func close(_ left: [Double], _ right: [Double]) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { abs($0 - $1) < 1e-9 * max(1, abs($1)) }
  }

  @Test func quantilesOfOneBin() {
    let fives = Fixture.fives.values(at: HistogramStatistic.quantiles)
    let low = 5.033333333333333
    let high = 5.066666666666666
    #expect(close(fives, [low, low, low, high, high, high, high, high, high, high]))
    let one = Distribution([.init(lower: 40, width: 1, count: 1)])
    #expect(close(one.values(at: [0, 0.5, 1]), [40.5, 40.5, 40.5]))
    let zeroes = Distribution([.init(lower: 0, width: 0, count: 9)])
    #expect(zeroes.values(at: [0, 0.5, 1]) == [0, 0, 0])
  }

  @Test func quantilesOverBins() {
    // 23, 97, 160...169, 240...249, 260...269, 290...299.
    let bins = [(23.0, 1.0), (97, 1), (160, 10), (240, 10), (260, 10), (290, 10)]
    let distribution = Distribution(bins.map { .init(lower: $0.0, width: $0.1, count: 1) })
    #expect(
      close(
        distribution.values(at: HistogramStatistic.quantiles),
        [23.5, 97.5, 165, 265, 295, 295, 295, 295, 295, 295]))
    #expect(Distribution([]).values(at: [0.5])[0].isNaN)
  }

  @Test func ranksAreExact() {
    // The thousandth of a thousand is not the 0.999 quantile.
    let distribution = Distribution([
      .init(lower: 1, width: 0.1, count: 999), .init(lower: 50, width: 1, count: 1),
    ])
    let values = distribution.values(at: [0.999, 1])
    #expect(values[0] < 2 && values[1] == 50.5)
  }

  @Test func sumsAndBuckets() {
    #expect(abs(Fixture.fives.sum - 10.099009900990099) < 1e-12)
    #expect(abs(Distribution([.init(lower: 45, width: 1, count: 1)]).sum - 45.494505494505496) < 1e-12)
    #expect(Fixture.fives.counts(upTo: [0.5, 1, 5, 10]) == [0, 0, 2, 2])
    #expect(Fixture.fives.counts(between: [0.5, 1, 5, 10]) == [0, 0, 2, 0])
    let large = Distribution([.init(lower: 240, width: 10, count: 2), .init(lower: 260, width: 10, count: 1)])
    #expect(large.counts(upTo: [25, 250, 500]) == [0, 2, 3])
  }

  @Test func texts() {
    let name = "cluster.svc.a.rq_time:"
    func line(_ query: String) -> String {
      fixture.get("/stats?type=Histograms&" + query)
    }
    #expect(line("").hasPrefix("\(name) P0(nan,5.033333333333333) P25(nan,5.033333333333333)"))
    #expect(line("").contains(" P99.5(nan,5.066666666666666) "))
    #expect(line("").hasSuffix("\nserver.unused: No recorded values\n"))
    #expect(
      line("usedonly&histogram_buckets=cumulative")
        == "\(name) B0.5(0,0) B1(0,0) B5(0,2) B1.8e+06(0,2)\n")
    #expect(
      line("usedonly&histogram_buckets=disjoint")
        == "\(name) B0.5(0,0) B1(0,0) B5(0,2) B1.8e+06(0,0)\n")
    let detailed = line("usedonly&histogram_buckets=detailed")
    #expect(detailed.hasPrefix("\(name)\n  totals=5,0.1:2\n  intervals=\n  summary=P0(nan,5.03"))
    #expect(fixture.respond("GET", "/stats?histogram_buckets=x").status == 400)
    #expect(fixture.get("/stats?type=TextReadouts") == "")
  }

  @Test func json() {
    let text = fixture.get("/stats?format=json&type=Histograms&usedonly")
    #expect(
      text.hasPrefix(
        #"{"stats":[{"histograms":{"supported_quantiles":[0,25,50,75,90,95,99,99.5,99.9,100],"#
          + #""computed_quantiles":[{"name":"cluster.svc.a.rq_time","values":"#
          + #"[{"cumulative":5.033333333333333,"interval":null},"#))
    let buckets = fixture.get("/stats?format=json&type=Histograms&usedonly&histogram_buckets=disjoint")
    #expect(buckets.contains(#"{"upper_bound":5,"interval":0,"cumulative":2}"#))
    #expect(!fixture.get("/stats?format=json&type=Counters").contains("histograms"))
  }

  @Test func prometheus() {
    let text = fixture.get("/stats/prometheus")
    #expect(
      text.contains(
        """
        # TYPE envoy_cluster_rq_time histogram
        envoy_cluster_rq_time_bucket{envoy_cluster_name="svc.a",le="0.5"} 0
        envoy_cluster_rq_time_bucket{envoy_cluster_name="svc.a",le="1"} 0
        envoy_cluster_rq_time_bucket{envoy_cluster_name="svc.a",le="5"} 2
        envoy_cluster_rq_time_bucket{envoy_cluster_name="svc.a",le="1800000"} 2
        envoy_cluster_rq_time_bucket{envoy_cluster_name="svc.a",le="+Inf"} 2
        envoy_cluster_rq_time_sum{envoy_cluster_name="svc.a"} 10.0990099009901
        envoy_cluster_rq_time_count{envoy_cluster_name="svc.a"} 2
        """) || text.contains("envoy_cluster_rq_time_sum{envoy_cluster_name=\"svc.a\"} 10.09900990099009"))
    #expect(text.contains("envoy_server_unused_bucket{le=\"1\"} 0\n"))
    let summary = fixture.get("/stats/prometheus?histogram_buckets=summary")
    #expect(summary.contains("# TYPE envoy_cluster_rq_time summary\n"))
    #expect(summary.contains("envoy_cluster_rq_time{envoy_cluster_name=\"svc.a\",quantile=\"0.995\"} NaN\n"))
    #expect(fixture.respond("GET", "/stats/prometheus?histogram_buckets=detailed").status == 400)
  }

  @Test func numbers() {
    #expect(Number.text(0) == "0" && Number.text(40.5) == "40.5" && Number.text(300_000) == "300000")
    #expect(Number.general(3_600_000) == "3.6e+06" && Number.general(600_000) == "600000")
  }
}
