// A whole file of the v2 age loads unchanged, and says what was upgraded.

import EnvoyConfiguration
import Model
import Testing

@Suite struct LegacyFileTests {
  @Test func loadsUnchanged() throws {
    let loaded = try load(input("envoy-1.15-static.yaml"))
    let configuration = loaded.configuration
    #expect(configuration.admin?.address.description == "127.0.0.1:9901")
    #expect(configuration.admin?.accessLogPath == "/tmp/admin_access.log")
    #expect(configuration.listeners.map(\.name) == ["listener_0"])
    #expect(
      configuration.listeners.first?.addresses.map(\.address.description) == ["0.0.0.0:10000"])
    let manager = try #require(configuration.manager)
    #expect(manager.statPrefix == "ingress_http")
    #expect(manager.routes.name == "local_route")
    #expect(manager.routes.virtualHosts.map(\.domains) == [["*"]])
    let route = try #require(configuration.firstRoute)
    #expect(route.match == RouteMatch(path: .prefix("/")))
    #expect(route.action == .cluster(RouteAction(cluster: .single("some_service"))))
    let cluster = try #require(configuration.clusters.first)
    #expect(cluster.name == "some_service")
    #expect(cluster.connectTimeout == .seconds(2))
    #expect(cluster.endpoints.map(\.address.description) == ["127.0.0.1:9999"])
  }

  @Test func warnsOncePerChange() throws {
    let warnings = try load(input("envoy-1.15-static.yaml")).warnings
    #expect(warnings.map(\.line) == [13, 14, 26, 26, 32])
    #expect(Set(warnings.map(\.description)).count == warnings.count)
    #expect(warnings.allSatisfy { $0.message.hasPrefix("upgraded from v2: ") })
  }
}
