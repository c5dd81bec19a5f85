// A source of constants for the admin's tests.
import Admin
import Model
import Synchronization

/// What the tests' admin shows, and whether it was told to quit.
final class Fixture: Sendable {
  let quits = Mutex(0)
  let state = Mutex(ServerState.live)

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
      quit: { self.quits.withLock { $0 += 1 } })
  }

  func respond(_ method: String, _ target: String, origin: String? = nil) -> AdminResponse {
    AdminHandler(source: source).respond(
      to: AdminRequest(method: method, target: target, authority: "a:1", origin: origin))
  }

  func get(_ target: String) -> String { respond("GET", target).body }
}
