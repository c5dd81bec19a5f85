// An HTTP connection manager with filters on a reactor of the test's own thread: the test is its
// client, over a socket pair, and its upstream, behind a listening socket.
import CMartletSystem
import Glibc
import Model
import Testing

@testable import DataPlane

final class HTTPBench {
  let reactor: Reactor
  let client: Peer
  let log = HTTPFilterLog()
  private(set) var upstream: Peer?
  private let context: WorkerContext
  private let listening: Int32
  private let table = HandleTable(worker: 0)
  private let owner: Owner
  private let connection: Connection
  private let socket: StreamSocket
  private var chain: NetworkChain!
  private var manager: HTTPManager!
  private let cluster: ClusterRuntime

  private final class Owner: ConnectionOwner {
    let table: HandleTable
    var ended = false
    init(_ table: HandleTable) { self.table = table }
    override func connectionClosed(_ connection: Connection) {
      table.connections.remove(connection.handle)
      ended = true
    }
  }

  /// `/direct` is answered with "direct"; everything else goes to the upstream.
  init(bufferLimit: Int = 1 << 20) throws {
    reactor = try Reactor()
    context = try testContext(reactor: reactor)
    listening = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    var address = try #require(SystemAddress(.ip(.init(v4: 0x7f00_0001), port: 0)))
    try #require(martlet_bind(listening, &address.storage, address.length) == 0)
    try #require(listen(listening, 4) == 0)
    let bound = try #require(ListenSocketAddress.local(of: listening))
    var model = Cluster(name: "c", endpoints: [Endpoint(address: bound)])
    model.http1.enableTrailers = true
    cluster = ClusterRuntime(model: model, context: context)
    let (descriptor, client) = try Peer.pair()
    self.client = client
    owner = Owner(table)
    let nowhere = SocketAddress.unix(path: "", mode: 0)
    connection = Connection(
      context: context, owner: owner, addresses: .init(remote: nowhere, directRemote: nowhere),
      bufferLimit: bufferLimit)
    socket = StreamSocket(
      reactor: reactor, descriptor: descriptor, connecting: false, handler: connection)
    try #require(socket.register() == 0)
    connection.handle = table.connections.insert(connection)
  }

  deinit { Glibc.close(listening) }

  func probe(_ name: String, hooks: HTTPFilterProbe.Hooks = .all) -> HTTPFilterProbe {
    HTTPFilterProbe(name, log, hooks: hooks)
  }

  var isClosed: Bool { owner.ended }

  func sends(_ text: String) -> LoopScript.Step { step("send") { [self] in client.write(text) } }

  /// The upstream has been sent a request that ends so.
  func upstreamHas(_ end: String) -> LoopScript.Step {
    until("upstream has \(end.debugDescription)") { [self] in
      if upstream == nil {
        let accepted = accept(listening, nil, nil)
        guard accepted >= 0 else { return false }
        _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
        upstream = Peer(accepted)
      }
      upstream?.read()
      return upstream?.text.hasSuffix(end) == true
    }
  }

  func upstreamAnswers(_ text: String) -> LoopScript.Step {
    step("answer") { [self] in upstream?.write(text) }
  }

  func clientHas(_ end: String) -> LoopScript.Step {
    until("client has \(end.debugDescription)") { [self] in
      client.read()
      return client.text.hasSuffix(end)
    }
  }

  /// Runs the steps inside the loop, then closes what is open. Afterwards nothing may be left.
  func run(
    _ filters: [HTTPFilterProbe], _ steps: [LoopScript.Step],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    table.install()
    var action = RouteAction(cluster: .single("c"))
    action.timeout = .milliseconds(500)
    let direct = Route.Action.directResponse(DirectResponse(status: 200, body: bytes("direct")))
    let routes = RouteConfiguration(virtualHosts: [
      VirtualHost(
        name: "all", domains: ["*"],
        routes: [
          Route(match: RouteMatch(path: .prefix("/direct")), action: direct),
          Route(match: RouteMatch(path: .prefix("/")), action: .cluster(action)),
        ])
    ])
    var model = HTTPConnectionManager(statPrefix: "t", routes: routes)
    model.requestHeaders.generatesRequestID = false
    model.http1.enableTrailers = true
    manager = HTTPManager(
      model: model, listener: Listener(name: "l", statPrefix: "l", addresses: []), context: context,
      filters: filters.map(\.factory),
      clusters: { [cluster] in $0 == "c" ? cluster : nil })
    chain = NetworkChain(filters: [], terminal: manager)
    LoopScript.run(
      reactor,
      [step("start") { [self] in connection.start(socket: socket, chain: chain) }] + steps
        + [
          step("end") { [self] in
            connection.close()
            cluster.retire()
            manager.retire()
          },
          pause(milliseconds: 2),  // what was put off to the end of the turn
        ], sourceLocation: sourceLocation)
    #expect(reactor.pool.outstanding == 0, sourceLocation: sourceLocation)
    #expect(reactor.timers.count == 0, sourceLocation: sourceLocation)
    #expect(table.filters.count == 0, sourceLocation: sourceLocation)
    for filter in filters { #expect(filter.alive == 0, "\(filter.name)", sourceLocation: sourceLocation) }
  }
}
