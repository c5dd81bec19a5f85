// A connection with a filter chain over a socket pair, on a reactor of the test's own thread.
import Model
import Testing

@testable import DataPlane

/// The end of the chain: takes what comes and says what it hears.
final class ProbeTerminal: TerminalFilter {
  let notes: TerminalNotes
  init(_ connection: Connection, _ notes: TerminalNotes) {
    self.notes = notes
    super.init(connection: connection)
  }
  override func start() { notes.log.append("start") }
  override func received() {
    notes.received += UnsafeBufferPointer(start: connection.inbound.bytes, count: connection.inbound.count)
    connection.inbound.consume(connection.inbound.count)
    notes.onReceived(self)
  }
  override func ended() { notes.log.append("ended") }
  override func drained() { notes.log.append("drained") }
  override func closed(byPeer: Bool) { notes.log.append(byPeer ? "closed by peer" : "closed") }
  override func lingered(timedOut: Bool) { notes.log.append("lingered") }

  func send(_ text: String) {
    connection.output.append(copying: bytes(text), count: text.utf8.count)
    connection.flush()
  }
}

final class TerminalNotes {
  var log: [String] = []
  var received: [UInt8] = []
  weak var terminal: ProbeTerminal?
  var onReceived: (ProbeTerminal) -> Void = { _ in }
}

final class ProbeTerminalFactory: TerminalFactory {
  let notes: TerminalNotes
  init(_ notes: TerminalNotes) { self.notes = notes }
  override func make(_ connection: Connection) -> TerminalFilter {
    let terminal = ProbeTerminal(connection, notes)
    notes.terminal = terminal
    return terminal
  }
}

/// Counts ends, and takes the connection out of the table as a listener does.
private final class Owner: ConnectionOwner {
  let table: HandleTable
  var ends = 0
  init(_ table: HandleTable) { self.table = table }
  override func connectionClosed(_ connection: Connection) {
    table.connections.remove(connection.handle)
    ends += 1
  }
}

final class ChainBench {
  let reactor: Reactor
  let context: WorkerContext
  let peer: Peer
  let terminal = TerminalNotes()
  let connection: Connection
  private let table = HandleTable(worker: 0)
  private let owner: Owner
  private let socket: StreamSocket
  private let chain: NetworkChain

  init(
    _ filters: [NetworkFilterFactory], terminal hasTerminal: Bool = true, bufferLimit: Int = 1 << 20
  ) throws {
    reactor = try Reactor()
    context = try testContext(reactor: reactor)
    let (descriptor, peer) = try Peer.pair()
    self.peer = peer
    owner = Owner(table)
    chain = NetworkChain(
      filters: filters, terminal: hasTerminal ? ProbeTerminalFactory(terminal) : nil)
    let nowhere = SocketAddress.unix(path: "", mode: 0)
    connection = Connection(
      context: context, owner: owner, addresses: .init(remote: nowhere, directRemote: nowhere),
      bufferLimit: bufferLimit)
    socket = StreamSocket(
      reactor: reactor, descriptor: descriptor, connecting: false, handler: connection)
    try #require(socket.register() == 0)
    connection.handle = table.connections.insert(connection)
  }

  var ends: Int { owner.ends }
  var hasEnded: Bool { owner.ends > 0 }
  var unread: Int { socket.inbound.count }

  /// Starts the chain inside the loop and goes through the steps; closes what is still open.
  func run(_ steps: [LoopScript.Step], sourceLocation: SourceLocation = #_sourceLocation) {
    table.install()
    LoopScript.run(
      reactor,
      [step("start") { [self] in connection.start(socket: socket, chain: chain) }] + steps
        + [
          step("end") { [self] in connection.close() },
          pause(milliseconds: 2),  // what was put off to the end of the turn
        ], sourceLocation: sourceLocation)
    #expect(owner.ends == 1, sourceLocation: sourceLocation)
    #expect(reactor.pool.outstanding == 0, sourceLocation: sourceLocation)
    #expect(reactor.timers.count == 0, sourceLocation: sourceLocation)
    #expect(table.connections.count == 0, sourceLocation: sourceLocation)
  }
}
