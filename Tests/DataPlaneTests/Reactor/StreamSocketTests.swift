// A stream socket on a real socket pair: reading and pausing, writing against a slow reader,
// half-closes, lingering closes, resets.
import CMartletSystem
import Model
import Testing

@testable import DataPlane

/// Notes what it hears; takes the bytes unless told to leave them.
private final class Listener: SocketHandler {
  var socket: StreamSocket?
  var received: [UInt8] = []
  var takes = true
  var ended = 0
  var drained = 0
  var failed: Int32?
  var lingered: Bool?
  var connected = 0
  var onReceived: () -> Void = {}

  override func socketConnected() { connected += 1 }
  override func socketReceived() {
    if takes, let socket {
      let count = socket.inbound.count
      received += UnsafeBufferPointer(start: socket.inbound.bytes, count: count)
      socket.inbound.consume(count)
    }
    onReceived()
  }
  override func socketEnded() { ended += 1 }
  override func socketDrained() { drained += 1 }
  override func socketFailed(_ code: Int32) { failed = code }
  override func socketLingered(timedOut: Bool) { lingered = timedOut }
}

@Suite struct StreamSocketTests {
  private func make(tcp: Bool = false) throws -> (Reactor, StreamSocket, Listener, Peer) {
    let reactor = try Reactor()
    let (descriptor, peer) = try tcp ? Peer.tcpPair() : Peer.pair()
    let listener = Listener()
    let socket = StreamSocket(
      reactor: reactor, descriptor: descriptor, connecting: false, handler: listener)
    listener.socket = socket
    try #require(socket.register() == 0)
    return (reactor, socket, listener, peer)
  }

  private func finish(_ reactor: Reactor, _ socket: StreamSocket, _ listener: Listener) {
    socket.close()
    listener.socket = nil
    #expect(reactor.pool.outstanding == 0)
    #expect(reactor.timers.count == 0)
  }

  @Test func readsAndWrites() throws {
    let (reactor, socket, listener, peer) = try make()
    LoopScript.run(
      reactor,
      [
        step("send") { peer.write("hello") },
        until("received") { listener.received == bytes("hello") },
        step("answer") {
          socket.outbound.append("world")
          socket.scheduleFlush()
        },
        until("answered") { peer.read(atLeast: 5) },
      ])
    #expect(peer.text == "world")
    #expect(socket.bytesReceived == 5 && socket.bytesSent == 5)
    finish(reactor, socket, listener)
  }

  @Test func whatIsLeftIsOfferedAgain() throws {
    let (reactor, socket, listener, peer) = try make()
    listener.takes = false
    LoopScript.run(
      reactor,
      [
        step("first") { peer.write("ab") },
        until("offered") { socket.inbound.count == 2 },
        step("take from now on") { listener.takes = true },
        step("second") { peer.write("cd") },
        until("all") { text(listener.received) == "abcd" },
      ])
    finish(reactor, socket, listener)
  }

  @Test func pausedMeansThatBytesWaitInTheKernel() throws {
    let (reactor, socket, listener, peer) = try make()
    var written = 0
    LoopScript.run(
      reactor,
      [
        step("pause") { socket.pauseReading() },
        until("the kernel is full") {
          let count = peer.write([UInt8](repeating: 1, count: 65_536))
          written += count
          return count == 0
        },
        pause(milliseconds: 20),
        step("nothing was read") { #expect(socket.bytesReceived == 0 && socket.inbound.isEmpty) },
        step("go on") { socket.continueReading() },
        until("all of it") { listener.received.count == written },
      ])
    finish(reactor, socket, listener)
  }

  @Test func pausingInsideTheCallback() throws {
    let (reactor, socket, listener, peer) = try make()
    listener.takes = false
    listener.onReceived = { socket.pauseReading() }
    LoopScript.run(
      reactor,
      [
        step("send") { peer.write("ab") },
        until("held") { socket.readingPaused },
        step("more") { peer.write("cd") },
        pause(milliseconds: 20),
        step("take") {
          #expect(socket.inbound.count == 2)
          listener.takes = true
          listener.onReceived = {}
          socket.continueReading()
        },
        until("all") { text(listener.received) == "abcd" },
      ])
    finish(reactor, socket, listener)
  }

  @Test func aSlowReaderGetsEverything() throws {
    let (reactor, socket, listener, peer) = try make()
    let size = 3 << 20
    LoopScript.run(
      reactor,
      [
        step("queue much") {
          var random = SeededRandom(5)
          var made = 0
          while made < size {
            let count = Swift.min(Int.random(in: 1...40_000, using: &random), size - made)
            let block = (0..<count).map { UInt8(truncatingIfNeeded: (made + $0) % 251) }
            socket.outbound.append(copying: block, count: count)
            made += count
          }
          socket.scheduleFlush()
        },
        until("the kernel is full") { socket.bytesSent > 0 },
        step("not yet") { #expect(listener.drained == 0 && !socket.outbound.isEmpty) },
        until("read it all") {
          peer.readSome(100_000)
          return peer.received.count == size
        },
        until("drained") { listener.drained == 1 },
      ])
    #expect(peer.received.enumerated().allSatisfy { $1 == UInt8(truncatingIfNeeded: $0 % 251) })
    finish(reactor, socket, listener)
  }

  @Test func drainedIsToldOnRequest() throws {
    let (reactor, socket, listener, _) = try make()
    LoopScript.run(
      reactor, [step("ask") { socket.notifyWhenDrained() }, until("told") { listener.drained == 1 }])
    finish(reactor, socket, listener)
  }

  // MARK: Ends

  @Test func thePeersHalfClose() throws {
    let (reactor, socket, listener, peer) = try make()
    LoopScript.run(
      reactor,
      [
        step("last bytes") {
          peer.write("bye")
          peer.shutdownWriting()
        },
        until("ended") { listener.ended == 1 },
        step("still writable") {
          #expect(text(listener.received) == "bye" && socket.ended && socket.isOpen)
          socket.outbound.append("and you")
          socket.scheduleFlush()
        },
        until("answered") { peer.read(atLeast: 7) },
        pause(milliseconds: 10),
      ])
    #expect(listener.ended == 1 && listener.failed == nil)
    finish(reactor, socket, listener)
  }

  @Test func ourHalfCloseFollowsWhatIsQueued() throws {
    let (reactor, socket, listener, peer) = try make()
    let size = 1 << 20
    LoopScript.run(
      reactor,
      [
        step("queue and shut down") {
          let block = [UInt8](repeating: 9, count: size)
          socket.outbound.append(copying: block, count: size)
          socket.scheduleFlush()
          socket.shutdownWriting()
        },
        until("all and the end") {
          peer.read()
          return peer.sawEnd
        },
        step("the other way still works") { peer.write("x") },
        until("received") { listener.received == bytes("x") },
      ])
    #expect(peer.received.count == size)
    finish(reactor, socket, listener)
  }

  @Test func lingeringEndsWhenThePeerCloses() throws {
    let (reactor, socket, listener, peer) = try make()
    LoopScript.run(
      reactor,
      [
        step("answer and close") {
          socket.outbound.append("answer")
          socket.lingerAndClose(timeout: 5_000_000_000)
        },
        until("answer and end") {
          peer.read()
          return peer.sawEnd
        },
        step("bytes that nobody wants") { peer.write("more") },
        pause(milliseconds: 20),
        step("still there") { #expect(listener.lingered == nil && listener.received.isEmpty) },
        step("close") { peer.close() },
        until("over") { listener.lingered == false },
      ])
    #expect(peer.text == "answer" && socket.isClosed)
    finish(reactor, socket, listener)
  }

  @Test func lingeringHasATimeLimit() throws {
    let (reactor, socket, listener, peer) = try make()
    LoopScript.run(
      reactor,
      [
        step("close") { socket.lingerAndClose(timeout: 30_000_000) },
        until("over") { listener.lingered == true },
        until("the end") {
          peer.read()
          return peer.sawEnd
        },
      ])
    finish(reactor, socket, listener)
  }

  @Test func withoutATimeoutItClosesAfterTheFlush() throws {
    let (reactor, socket, listener, peer) = try make()
    LoopScript.run(
      reactor,
      [
        step("close") {
          socket.outbound.append("x")
          socket.lingerAndClose(timeout: nil)
        },
        until("over") { listener.lingered == false },
        until("the end") {
          peer.read()
          return peer.sawEnd
        },
      ])
    #expect(peer.text == "x")
    finish(reactor, socket, listener)
  }

  @Test func aReaderThatNeverReadsIsGivenUp() throws {
    let (reactor, socket, listener, peer) = try make()
    LoopScript.run(
      reactor,
      [
        step("queue more than the kernel takes") {
          let block = [UInt8](repeating: 9, count: 4 << 20)
          socket.outbound.append(copying: block, count: block.count)
          socket.lingerAndClose(timeout: 50_000_000)
        },
        until("over") { listener.lingered == true },
      ])
    withExtendedLifetime(peer) {}
    finish(reactor, socket, listener)
  }

  @Test func aResetIsAFailure() throws {
    let (reactor, socket, listener, peer) = try make(tcp: true)
    LoopScript.run(
      reactor, [step("reset") { peer.reset() }, until("failed") { listener.failed == ECONNRESET }])
    #expect(socket.isClosed && listener.ended == 0)
    finish(reactor, socket, listener)
  }

  @Test func closingWithAResetIsSeen() throws {
    let (reactor, socket, listener, peer) = try make(tcp: true)
    LoopScript.run(
      reactor,
      [
        step("reset") { socket.close(reset: true) },
        until("seen") {
          peer.read()
          return peer.failure == ECONNRESET
        },
      ])
    #expect(listener.failed == nil)
    finish(reactor, socket, listener)
  }

  @Test func closingInsideACallbackEndsIt() throws {
    let (reactor, socket, listener, peer) = try make()
    var calls = 0
    listener.onReceived = {
      calls += 1
      socket.close()
    }
    LoopScript.run(
      reactor,
      [
        step("send and end") {
          peer.write("a")
          peer.shutdownWriting()
        },
        until("closed") { socket.isClosed },
        pause(milliseconds: 10),
      ])
    #expect(calls == 1 && listener.ended == 0 && listener.failed == nil)
    finish(reactor, socket, listener)
  }

  // MARK: Connecting

  @Test func connectingToNobodyFails() throws {
    let reactor = try Reactor()
    // A port that was just given up: nobody listens there.
    let address: SystemAddress
    do {
      let taken = martlet_stream_socket(AF_INET)
      var any = try #require(SystemAddress(.ip(.init(v4: 0x7f00_0001), port: 0)))
      try #require(martlet_bind(Int32(taken), &any.storage, any.length) == 0)
      let bound = try #require(ListenSocketAddress.local(of: Int32(taken)))
      address = try #require(SystemAddress(bound))
      martlet_close(Int32(taken))
    }
    var target = address
    let descriptor = Int32(martlet_stream_socket(AF_INET))
    let listener = Listener()
    let result = martlet_connect(descriptor, &target.storage, target.length)
    #expect(result == -Int64(EINPROGRESS) || result == -Int64(ECONNREFUSED))
    let socket = StreamSocket(reactor: reactor, descriptor: descriptor, connecting: true, handler: listener)
    try #require(socket.register() == 0)
    LoopScript.run(reactor, [until("failed") { listener.failed != nil }])
    #expect(listener.failed == ECONNREFUSED && listener.connected == 0 && socket.isClosed)
  }
}
