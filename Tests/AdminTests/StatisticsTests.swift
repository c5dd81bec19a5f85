// Names and tags of statistics, `/stats` and the Prometheus text.
import Testing

@testable import Admin

@Suite struct StatisticsTests {
  let fixture = Fixture()

  private func cluster(_ name: String) -> Statistic {
    Statistic(
      root: "cluster", owner: .init("envoy_cluster_name", "a"), name: name, kind: .counter,
      value: 1)
  }

  @Test(arguments: [
    ("vcluster", "vc", true, ["envoy_response_code_class", "envoy_virtual_cluster", "envoy_virtual_host"]),
    ("route", "vhost", false, ["envoy_response_code_class", "envoy_virtual_host", "envoy_route"]),
  ])
  func innerTags(_ label: String, _ value: String, _ inside: Bool, _ order: [String]) {
    let tag = inside ? "envoy_virtual_cluster" : "envoy_route"
    let name = StatisticName(
      root: "vhost", owner: .init("envoy_virtual_host", "a.b"),
      name: "\(label).\(value).upstream_rq_2xx"
    ).adding(.init(tag, value), behind: label, inside: inside)
    #expect(name.text == "vhost.a.b.\(label).\(value).upstream_rq_2xx")
    #expect(name.tagged == "vhost.\(label).upstream_rq_xx")
    #expect(name.tags.map(\.name) == order)
    #expect(name.tags.contains(.init(tag, value)))
  }

  @Test func responseCodeTags() {
    #expect(cluster("upstream_rq_2xx").taggedName == "cluster.upstream_rq_xx")
    #expect(
      PrometheusText.labels(cluster("upstream_rq_2xx").tags)
        == #"envoy_response_code_class="2",envoy_cluster_name="a""#)
    #expect(cluster("upstream_rq_503").taggedName == "cluster.upstream_rq")
    #expect(cluster("upstream_rq_503").tags.first?.value == "503")
    for plain in ["upstream_rq_total", "rq_2x", "upstream_cx_200", "upstream_rq_2000", "x_rq_abc"] {
      #expect(cluster(plain).taggedName == "cluster." + plain)
      #expect(cluster(plain).tags.count == 1)
    }
  }

  @Test func managerBelowAListener() {
    let statistic = Statistic(
      root: "listener", owner: .init("envoy_listener_address", "127.0.0.1_0"),
      name: "http.ingress.v1.downstream_rq_5xx", kind: .counter, value: 1)
    #expect(statistic.name == "listener.127.0.0.1_0.http.ingress.v1.downstream_rq_5xx")
    #expect(statistic.taggedName == "listener.http.downstream_rq_xx")
    #expect(
      statistic.tags.map(\.name) == [
        "envoy_response_code_class", "envoy_http_conn_manager_prefix", "envoy_listener_address",
      ])
    #expect(statistic.tags[1].value == "ingress.v1")
  }

  @Test func worker() {
    let statistic = Statistic(
      root: "server", name: "worker_12.watchdog_miss", kind: .counter, value: 0)
    #expect(statistic.name == "server.worker_12.watchdog_miss")
    #expect(statistic.taggedName == "server.worker.watchdog_miss")
    #expect(statistic.tags == [.init("envoy_worker_id", "12")])
    #expect(Statistic(root: "a", name: "worker_x.b", kind: .gauge, value: 0).tags.isEmpty)
  }

  @Test(arguments: [
    ("127.0.0.1:80", "127.0.0.1_80"), ("[::1]:80", "[__1]_80"), ("http://a", "http_a"),
    ("a:/b", "a_b"), ("/tmp/a.sock", "/tmp/a.sock"), ("a:///b", "a_/b"),
  ])
  func colons(_ value: String, _ expected: String) {
    let statistic = Statistic(
      root: "listener", owner: .init("envoy_listener_address", value), name: "x", kind: .gauge,
      value: 0)
    #expect(statistic.name == "listener.\(expected).x")
    #expect(statistic.tags.first?.value == expected)
  }

  @Test func text() {
    #expect(
      fixture.get("/stats") == """
        cluster.svc.a.upstream_cx_active: 0
        cluster.svc.a.upstream_rq_2xx: 7
        server.live: 1

        """)
  }

  @Test func json() {
    #expect(
      fixture.get("/stats?format=json&filter=%5Eserver")
        == #"{"stats":[{"name":"server.live","value":1}]}"#)
  }

  @Test func selection() {
    #expect(fixture.get("/stats?usedonly&type=Gauges") == "server.live: 1\n")
    #expect(fixture.get("/stats?type=Counters") == "cluster.svc.a.upstream_rq_2xx: 7\n")
    #expect(fixture.get("/stats?filter=cluster&invert_filter") == "server.live: 1\n")
    #expect(fixture.respond("GET", "/stats?type=bad").body == "invalid &type= param")
    #expect(fixture.get("/stats?filter=") == fixture.get("/stats"))
  }

  @Test func prometheus() {
    let expected = """
      # TYPE envoy_cluster_upstream_rq_xx counter
      envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="svc.a"} 7
      # TYPE envoy_cluster_upstream_cx_active gauge
      envoy_cluster_upstream_cx_active{envoy_cluster_name="svc.a"} 0
      # TYPE envoy_server_live gauge
      envoy_server_live{} 1

      """
    #expect(fixture.get("/stats/prometheus") == expected)
    #expect(fixture.get("/stats?format=prometheus") == expected)
  }

  @Test func prometheusIsValidWhateverTheNames() {
    let odd = Statistic(
      root: "http", owner: .init("envoy_http_conn_manager_prefix", "a\"b\\c\nd"), name: "x-y z",
      kind: .counter, value: 1)
    #expect(
      PrometheusText.render([odd, odd]) == """
        # TYPE envoy_http_x_y_z counter
        envoy_http_x_y_z{envoy_http_conn_manager_prefix="a\\"b\\\\c\\nd"} 2

        """)
    // One metric has one type.
    let gauge = Statistic(root: "http", name: "x-y z", kind: .gauge, value: 1)
    #expect(!PrometheusText.render([odd, gauge]).contains("gauge"))
  }
}
