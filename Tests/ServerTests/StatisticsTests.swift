// Which parts of a data plane statistic's prefix become tags.
import Testing

@testable import Server

@Suite struct StatisticsTests {
  @Test func aWorkersListener() throws {
    let found = try #require(ProxyServer.listenerWorker("listener.127.0.0.1_80.worker_12"))
    #expect(found.listener == "127.0.0.1_80")
    #expect(found.worker == "worker_12")
    for other in ["proxy_proto", "listener.worker_1", "listener.a.b", "connection_limit.worker_1"] {
      #expect(ProxyServer.listenerWorker(other) == nil)
    }
  }
}
