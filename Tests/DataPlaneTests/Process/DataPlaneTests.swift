// The data plane from its face: configurations go in, bytes come out. Everything in one process,
// the upstream being another listener of the same data plane.
import Model
import Testing

@testable import DataPlane

@Suite struct DataPlaneTests {
  private static let loopback = SocketAddress.ip(IPAddress(v4: 0x7f00_0001), port: 0)

  private func listener(
    _ name: String, _ filters: [NetworkFilter], at address: SocketAddress = loopback
  ) -> Listener {
    var listener = Listener(name: name, statPrefix: name, addresses: [.init(address)])
    listener.filterChains = [FilterChain(filters: filters)]
    return listener
  }

  private func manager(_ name: String, _ action: Route.Action) -> NetworkFilter {
    .httpConnectionManager(
      HTTPConnectionManager(
        statPrefix: name,
        routes: RouteConfiguration(virtualHosts: [
          VirtualHost(
            name: "all", domains: ["*"],
            routes: [Route(match: RouteMatch(path: .prefix("/")), action: action)])
        ])))
  }

  private func answer(_ body: String) -> Route.Action {
    .directResponse(DirectResponse(status: 200, body: bytes(body)))
  }

  private func configuration(_ listeners: [Listener], _ clusters: [Cluster] = []) -> ProxyConfiguration {
    var configuration = ProxyConfiguration()
    configuration.listeners = listeners
    configuration.clusters = clusters
    return configuration
  }

  private func withDataPlane(workers: Int = 2, _ body: (DataPlane) throws -> Void) rethrows {
    var options = DataPlaneOptions()
    options.workers = workers
    let plane = DataPlane(options: options)
    defer { plane.stop() }
    try body(plane)
  }

  private func address(_ plane: DataPlane, _ name: String) throws -> SocketAddress {
    let status = try #require(plane.listenerStatus().first { $0.name == name })
    return try #require(status.addresses.first)
  }

  private func connect(_ plane: DataPlane, _ name: String) throws -> Peer {
    try #require(Peer.connect(try address(plane, name)))
  }

  /// The whole answer to a GET on this connection, or what came of it.
  private func get(_ peer: Peer, _ path: String = "/") -> String {
    let before = peer.received.count
    peer.write("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = peer.wait { $0.sawEnd || $0.failure != 0 || isWhole(text($0.received[before...])) }
    return text(peer.received[before...])
  }

  private func isWhole(_ answer: String) -> Bool {
    guard !answer.isEmpty else { return false }
    let lines = answer.split(separator: "\r\n", omittingEmptySubsequences: false)
    guard let end = lines.firstIndex(of: "") else { return false }
    let length = lines[..<end].first { $0.hasPrefix("content-length: ") }.flatMap { Int($0.dropFirst(16)) }
    return lines[(end + 1)...].joined(separator: "\r\n").utf8.count >= length ?? 0
  }

  // MARK: What runs

  @Test func echoAndDirectResponse() throws {
    try withDataPlane { plane in
      try plane.apply(
        configuration([listener("echo", [.echo]), listener("direct", [.directResponse(bytes("good day"))])]))
      let echo = try connect(plane, "echo")
      echo.write("ping")
      #expect(echo.wait { $0.received == bytes("ping") })
      echo.shutdownWriting()
      #expect(echo.wait { $0.sawEnd })
      let direct = try connect(plane, "direct")
      #expect(direct.wait { $0.sawEnd } && direct.text == "good day")
    }
  }

  @Test func aRequestThroughAProxyToAnUpstream() throws {
    try withDataPlane { plane in
      try plane.apply(configuration([listener("upstream", [manager("up", answer("from upstream"))])]))
      let upstream = try address(plane, "upstream")
      let cluster = Cluster(name: "c", endpoints: [Endpoint(address: upstream)])
      try plane.apply(
        configuration(
          [
            listener("upstream", [manager("up", answer("from upstream"))]),
            listener("http", [manager("http", .cluster(RouteAction(cluster: .single("c"))))]),
            listener("tcp", [.tcpProxy(TCPProxy(statPrefix: "tcp", cluster: .single("c")))]),
          ], [cluster]))
      #expect(try address(plane, "upstream") == upstream)
      let client = try connect(plane, "http")
      for _ in 0..<20 {
        let answer = get(client)
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(answer)")
        #expect(answer.hasSuffix("\r\n\r\nfrom upstream"), "\(answer)")
      }
      let raw = try connect(plane, "tcp")
      #expect(get(raw).hasSuffix("from upstream"))
      let status = try #require(plane.clusterStatus().first)
      #expect(status.endpoints.first?.counters.first { "\($0.name)" == "rq_total" }?.value == 20)
      #expect(
        plane.stats().first { $0.scope == .http("http") && $0.name == "downstream_rq_2xx" }?.value == 20)
    }
  }

  @Test func aClusterThatIsNotThere() throws {
    try withDataPlane { plane in
      try plane.apply(
        configuration([listener("l", [manager("h", .cluster(RouteAction(cluster: .single("none"))))])]))
      #expect(get(try connect(plane, "l")).hasPrefix("HTTP/1.1 503 "))
    }
  }

  // MARK: A second configuration

  @Test func aListenerIsAdded() throws {
    try withDataPlane { plane in
      let first = listener("first", [.echo])
      try plane.apply(configuration([first]))
      let client = try connect(plane, "first")
      let before = try address(plane, "first")
      try plane.apply(configuration([first, listener("second", [.directResponse(bytes("2"))])]))
      #expect(try address(plane, "first") == before)
      client.write("still here")
      #expect(client.wait { $0.text == "still here" })
      let second = try connect(plane, "second")
      #expect(second.wait { $0.sawEnd } && second.text == "2")
    }
  }

  @Test func aListenerIsRemoved() throws {
    try withDataPlane { plane in
      try plane.apply(configuration([listener("a", [.echo]), listener("b", [.echo])]))
      let open = try connect(plane, "b")
      open.write("1")
      #expect(open.wait { $0.text == "1" })
      let gone = try address(plane, "b")
      try plane.apply(configuration([listener("a", [.echo])]))
      #expect(Peer.connect(gone) == nil)
      #expect(plane.listenerStatus().map(\.name) == ["a"])
      // The connection that stands goes on; new ones find nobody.
      open.write("2")
      #expect(open.wait { $0.text == "12" })
      let other = try connect(plane, "a")
      other.write("x")
      #expect(other.wait { $0.text == "x" })
    }
  }

  @Test func whatIsBehindAListenerChanges() throws {
    try withDataPlane { plane in
      try plane.apply(configuration([listener("l", [manager("h", answer("old"))])]))
      let port = try address(plane, "l")
      let client = try #require(Peer.connect(port))
      #expect(get(client).hasSuffix("old"))
      try plane.apply(configuration([listener("l", [manager("h", answer("new"))])]))
      #expect(try address(plane, "l") == port)
      let fresh = try #require(Peer.connect(port))
      #expect(get(fresh).hasSuffix("new"))
      // The connection that stands goes on by the new routes.
      #expect(get(client).hasSuffix("new"))
    }
  }

  @Test func aChangedAddressOpensAnotherSocket() throws {
    try withDataPlane { plane in
      try plane.apply(configuration([listener("l", [.echo])]))
      let old = try address(plane, "l")
      let v6 = SocketAddress.ip(IPAddress(v6High: 0, low: 1), port: 0)
      try plane.apply(configuration([listener("l", [.echo], at: v6)]))
      #expect(Peer.connect(old) == nil)
      let client = try connect(plane, "l")
      client.write("x")
      #expect(client.wait { $0.text == "x" })
    }
  }

  @Test func nothingChangesForTheSameConfiguration() throws {
    try withDataPlane { plane in
      let same = configuration([listener("l", [manager("h", answer("x"))])])
      try plane.apply(same)
      let client = try connect(plane, "l")
      for _ in 0..<5 {
        #expect(get(client).hasSuffix("x"))
        try plane.apply(same)
      }
      #expect(!client.sawEnd)
    }
  }

  // MARK: A configuration that cannot be

  @Test func aFailureToBindLeavesTheOldOne() throws {
    try withDataPlane { plane in
      try plane.apply(configuration([listener("l", [manager("h", answer("old"))])]))
      let before = plane.listenerStatus()
      let client = try connect(plane, "l")
      #expect(get(client).hasSuffix("old"))
      let impossible = SocketAddress.ip(IPAddress(v4: 0xc000_0201), port: 0)  // 192.0.2.1 is nobody's
      let next = configuration([
        listener("l", [manager("h", answer("new"))]), listener("fine", [.echo]),
        listener("bad", [.echo], at: impossible), listener("worse", [.echo], at: impossible),
      ])
      let error = #expect(throws: ApplyError.self) { try plane.apply(next) }
      #expect(error?.problems.count == 2)
      #expect(error?.problems.first?.contains("'bad'") == true)
      #expect(error?.description.contains("192.0.2.1") == true)
      #expect(plane.listenerStatus() == before)
      #expect(get(client).hasSuffix("old"))
      #expect(get(try connect(plane, "l")).hasSuffix("old"))
    }
  }

  @Test func aFailureToBindLeavesNoSocketFile() throws {
    try withDataPlane { plane in
      try plane.apply(configuration([listener("l", [.echo])]))
      let path = "/tmp/martlet-test-\(UInt32.random(in: 0...(.max))).sock"
      let impossible = SocketAddress.ip(IPAddress(v4: 0xc000_0201), port: 0)
      #expect(throws: ApplyError.self) {
        try plane.apply(
          configuration([
            listener("l", [.echo]), listener("unix", [.echo], at: .unix(path: path, mode: 0)),
            listener("bad", [.echo], at: impossible),
          ]))
      }
      do {
        #expect(!fileExists(path))
      }
      removeFile(path)
    }
  }

  @Test func theFirstConfigurationMayFailToo() throws {
    try withDataPlane { plane in
      let impossible = SocketAddress.ip(IPAddress(v4: 0xc000_0201), port: 0)
      #expect(throws: ApplyError.self) {
        try plane.apply(configuration([listener("bad", [.echo], at: impossible)]))
      }
      #expect(plane.listenerStatus().isEmpty)
      try plane.apply(configuration([listener("l", [.echo])]))
      let client = try connect(plane, "l")
      client.write("x")
      #expect(client.wait { $0.text == "x" })
    }
  }

  // MARK: The end

  @Test func draining() throws {
    var options = DataPlaneOptions()
    options.drainImmediately = true
    let plane = DataPlane(options: options)
    defer { plane.stop() }
    try plane.apply(configuration([listener("l", [manager("h", answer("x"))])]))
    let client = try connect(plane, "l")
    #expect(get(client).hasSuffix("x"))
    let idle = try connect(plane, "l")
    #expect(get(idle).hasSuffix("x"))
    let port = try address(plane, "l")
    plane.drain(stopAccepting: true)
    #expect(Peer.connect(port) == nil)
    #expect(idle.wait { $0.sawEnd })
    for _ in 0..<1000 where plane.activeConnections > 0 { sleepAMillisecond() }
    #expect(plane.activeConnections == 0)
  }

  @Test func stoppingClosesEverything() throws {
    let plane = DataPlane(options: DataPlaneOptions())
    let path = "/tmp/martlet-test-\(UInt32.random(in: 0...(.max))).sock"
    try plane.apply(
      configuration([listener("l", [.echo]), listener("u", [.echo], at: .unix(path: path, mode: 0))]))
    let client = try connect(plane, "l")
    client.write("x")
    #expect(client.wait { $0.text == "x" })
    #expect(fileExists(path) && plane.activeConnections == 1)
    plane.stop()
    plane.stop()
    #expect(client.wait { $0.sawEnd || $0.failure != 0 })
    #expect(!fileExists(path) && plane.activeConnections == 0)
    #expect(throws: ApplyError.self) { try plane.apply(configuration([])) }
  }

  @Test func limitsOfConnections() throws {
    try withDataPlane { plane in
      var limited = listener("l", [.echo])
      limited.maxConnections = 2
      try plane.apply(configuration([limited]))
      let clients = try (0..<2).map { _ in try connect(plane, "l") }
      for client in clients {
        client.write("x")
        #expect(client.wait { $0.text == "x" })
      }
      let third = try connect(plane, "l")
      #expect(third.wait { $0.sawEnd || $0.failure != 0 })
      clients[0].close()
      for _ in 0..<1000 where plane.activeConnections > 1 { sleepAMillisecond() }
      let fourth = try connect(plane, "l")
      fourth.write("y")
      #expect(fourth.wait { $0.text == "y" })
      #expect(plane.stats().first { $0.name == "downstream_cx_overflow" }?.value == 1)
    }
  }
}
