// A source of constants for the admin's tests.
import Admin
import Model
import Synchronization

/// What the tests' admin shows, and whether it was told to quit.
final class Fixture: Sendable {
  let quits = Mutex(0)
  let changes = Mutex<[String]>([])
  let hasAdminLayer = Mutex(true)
  let state = Mutex(ServerState.live)
  /// What was asked of the process, in order.
  let calls = Mutex<[String]>([])
  let levels = Mutex(["http": "info", "main": "info"])

  let histograms: [HistogramStatistic]

  init(histograms: [HistogramStatistic] = []) { self.histograms = histograms }

  private func note(_ call: String) { calls.withLock { $0.append(call) } }

  static let address = SocketAddress.ip(IPAddress(v4: 0x7f00_0001), port: 80)
  static let addressV6 = SocketAddress.ip(IPAddress(v6High: 0, low: 1), port: 81)

  static let statistics = [
    Statistic(root: "server", name: "live", kind: .gauge, value: 1),
    Statistic(
      root: "cluster", owner: .init("envoy_cluster_name", "svc.a"), name: "upstream_rq_2xx",
      kind: .counter, value: 7),
    Statistic(
      root: "cluster", owner: .init("envoy_cluster_name", "svc.a"), name: "upstream_cx_active",
      kind: .gauge, value: 0),
  ]

  /// Two values of 5, as Envoy has them of a connection with five requests.
  static let fives = HistogramStatistic.Distribution([.init(lower: 5, width: 0.1, count: 2)])
  static let twoHistograms = [
    HistogramStatistic(
      StatisticName(root: "cluster", owner: .init("envoy_cluster_name", "svc.a"), name: "rq_time"),
      cumulative: fives, interval: .init([]), bounds: [0.5, 1, 5, 1_800_000]),
    HistogramStatistic(
      StatisticName(root: "server", name: "unused"), cumulative: .init([]), interval: .init([]),
      bounds: [1]),
  ]

  static let configuration = ConfigurationReport(
    bootstrap: .object([
      .init("admin", .object([.init("x", .integer(1))])),
      .init("list", .array([.object([.init("a", .integer(1)), .init("b", .integer(2))])])),
    ]),
    clusters: [
      .init(name: "one", value: .object([.init("name", .string("one")), .init("n", .integer(1))])),
      .init(name: "other", value: .object([.init("name", .string("other"))])),
    ],
    listeners: [], routes: [], loaded: (seconds: 784_111_777, milliseconds: 5))

  static let cluster = ClusterReport(
    name: "svc.a",
    endpoints: [
      .init(
        address: address, hostname: "hh", weight: 3,
        counters: [.init(name: "cx_active", value: 2), .init(name: "cx_total", value: 0)])
    ])

  var source: AdminSource {
    AdminSource(
      state: { self.state.withLock { $0 } },
      statistics: { Self.statistics },
      histograms: { self.histograms },
      listeners: {
        [
          ListenerReport(name: "web", addresses: [Self.address, Self.addressV6]),
          ListenerReport(name: "u", addresses: [.unix(path: "/a", mode: 0)]),
        ]
      },
      clusters: { [Self.cluster] },
      serverInformation: {
        var node = Node()
        node.id = "n\"1"
        return ServerInformation(
          version: "1", state: .live, uptime: .milliseconds(1900),
          commandLineOptions: [.init("concurrency", .integer(2))], node: node)
      },
      runtime: {
        RuntimeReport(
          layers: ["base", "admin"],
          entries: [.init(key: "a.b", layerValues: ["1", "2"], finalValue: "2")])
      },
      modifyRuntime: { changes in
        self.changes.withLock { $0 += changes.map { "\($0.key)=\($0.text)" } }
        return self.hasAdminLayer.withLock { $0 }
      },
      memory: { MemoryReport(allocated: 1, heapSize: 3, free: 2, resident: 4) },
      configuration: { Self.configuration },
      logLevels: { self.levels.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } } },
      setLogLevel: { component, level in
        guard ["info", "debug"].contains(level) else { return .unknownLevel }
        return self.levels.withLock { levels in
          if let component {
            guard levels[component] != nil else { return .unknownComponent }
            levels[component] = level
          } else {
            for name in levels.keys { levels[name] = level }
          }
          return .done
        }
      },
      reopenLogs: { self.note("reopen") },
      resetCounters: { self.note("reset") },
      setHealthCheckFailed: { self.note($0 ? "fail" : "ok") },
      drainListeners: { self.note("drain \($0.mode)\($0.inboundOnly ? " inbound" : "")") },
      quit: { self.quits.withLock { $0 += 1 } })
  }

  func respond(_ method: String, _ target: String, origin: String? = nil) -> AdminResponse {
    AdminHandler(source: source).respond(
      to: AdminRequest(method: method, target: target, authority: "a:1", origin: origin))
  }

  func get(_ target: String) -> String { respond("GET", target).body }
}
