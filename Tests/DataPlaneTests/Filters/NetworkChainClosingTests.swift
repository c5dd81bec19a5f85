// Closing a connection from inside each hook of a filter, refusing it, and handles that outlive it.
import CMartletABI
import Testing

@testable import DataPlane

@Suite struct NetworkChainClosingTests {
  private static let modes = [MARTLET_CLOSE_FLUSH, MARTLET_CLOSE_NOW, MARTLET_CLOSE_RESET]

  /// What every filter hears exactly once, last.
  private func expectEnded(_ probe: FilterProbe, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(probe.log.suffix(2) == ["close", "destroy"], sourceLocation: sourceLocation)
    #expect(probe.log.filter { $0 == "close" }.count == 1, sourceLocation: sourceLocation)
    #expect(probe.log.filter { $0 == "destroy" }.count == 1, sourceLocation: sourceLocation)
  }

  private func peerSeesTheEnd(_ bench: ChainBench) -> LoopScript.Step {
    until("the peer sees the end") {
      bench.peer.read()
      return bench.peer.sawEnd || bench.peer.failure != 0
    }
  }

  @Test(arguments: modes)
  func inNewConnection(_ mode: martlet_close_mode) throws {
    let first = FilterProbe()
    let second = FilterProbe()
    first.newConnection = {
      first.send("bye")
      #expect(first.close(mode) == MARTLET_OK)
      #expect(first.log == ["create", "new"])  // not inside the hook
      return MARTLET_CONTINUE
    }
    let bench = try ChainBench([first.factory(), second.factory()])
    bench.run([
      peerSeesTheEnd(bench), step("close") { bench.peer.close() }, until("ended") { bench.hasEnded },
    ])
    #expect(bench.peer.text == (mode == MARTLET_CLOSE_FLUSH ? "bye" : ""))
    expectEnded(first)
    expectEnded(second)
    #expect(!second.log.contains("new") && !bench.terminal.log.contains("start"))
  }

  @Test(arguments: modes)
  func inData(_ mode: martlet_close_mode) throws {
    let first = FilterProbe()
    let second = FilterProbe()
    first.data = { _ in
      first.send("bye")
      first.close(mode)
      return MARTLET_CONTINUE
    }
    let bench = try ChainBench([first.factory(), second.factory()])
    bench.run([
      step("send") { bench.peer.write("x") }, peerSeesTheEnd(bench), step("close") { bench.peer.close() },
      until("ended") { bench.hasEnded },
    ])
    #expect(bench.peer.text == (mode == MARTLET_CLOSE_FLUSH ? "bye" : ""))
    expectEnded(first)
    expectEnded(second)
    #expect(!second.log.contains("data") && bench.terminal.received.isEmpty)
  }

  @Test(arguments: modes)
  func inWrite(_ mode: martlet_close_mode) throws {
    let probe = FilterProbe()
    probe.write = {
      probe.close(mode)
      return MARTLET_CONTINUE
    }
    let bench = try ChainBench([probe.factory(writes: true)])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("write") { bench.terminal.terminal?.send("answer") }, peerSeesTheEnd(bench),
      step("close") { bench.peer.close() }, until("ended") { bench.hasEnded },
    ])
    #expect(bench.peer.text == (mode == MARTLET_CLOSE_FLUSH ? "answer" : ""))
    expectEnded(probe)
  }

  @Test(arguments: modes)
  func inTheTimer(_ mode: martlet_close_mode) throws {
    let probe = FilterProbe()
    probe.timer = {
      probe.close(mode)
      #expect(probe.log.last == "timer")
    }
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] }, step("set") { probe.setTimer(1) },
      peerSeesTheEnd(bench), step("close") { bench.peer.close() }, until("ended") { bench.hasEnded },
    ])
    expectEnded(probe)
  }

  @Test(arguments: modes)
  func fromOutsideAnyHook(_ mode: martlet_close_mode) throws {
    let probe = FilterProbe()
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] }, step("ask") { probe.close(mode) },
      peerSeesTheEnd(bench), step("close") { bench.peer.close() }, until("ended") { bench.hasEnded },
    ])
    expectEnded(probe)
  }

  @Test func inCreate() throws {
    let first = FilterProbe()
    let second = FilterProbe()
    second.created = { second.close(MARTLET_CLOSE_NOW) }
    let bench = try ChainBench([first.factory(), second.factory()])
    bench.run([peerSeesTheEnd(bench), until("ended") { bench.hasEnded }])
    expectEnded(first)
    do {
      expectEnded(second)
      #expect(bench.terminal.log.isEmpty)
    }
  }

  @Test func refusingInCreate() throws {
    let first = FilterProbe()
    let second = FilterProbe()
    let third = FilterProbe()
    second.refuses = true
    let bench = try ChainBench([first.factory(), second.factory(), third.factory()])
    bench.run([peerSeesTheEnd(bench), until("ended") { bench.hasEnded }])
    #expect(first.log == ["create", "close", "destroy"])
    #expect(second.log == ["create"])
    #expect(third.log.isEmpty && bench.terminal.log.isEmpty)
  }

  @Test func theTerminalClosing() throws {
    let probe = FilterProbe()
    let bench = try ChainBench([probe.factory(writes: true)])
    bench.terminal.onReceived = { $0.connection.close() }
    bench.run([
      step("send") { bench.peer.write("x") }, peerSeesTheEnd(bench), until("ended") { bench.hasEnded },
    ])
    expectEnded(probe)
    #expect(bench.terminal.log == ["start", "closed"])
  }

  @Test func thePeerGoing() throws {
    let probe = FilterProbe()
    let bench = try ChainBench([probe.factory()], terminal: false)
    bench.run([step("close") { bench.peer.close() }, until("ended") { bench.hasEnded }])
    expectEnded(probe)
  }

  @Test func anUnknownModeIsRefused() throws {
    let probe = FilterProbe()
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("ask") {
        #expect(probe.close(3) == MARTLET_E_ARGUMENT && probe.close(-1) == MARTLET_E_ARGUMENT)
      },
      pause(milliseconds: 5), step("stands") { #expect(!bench.hasEnded) },
    ])
  }

  // MARK: Handles

  private func expectGone(_ probe: FilterProbe, sourceLocation: SourceLocation = #_sourceLocation) {
    let host = probe.host.pointee
    var out = martlet_bytes()
    var total = 0
    let answers = [
      host.read_buffer(probe.handle, &out), host.read_drain(probe.handle, 0),
      host.write_buffer(probe.handle, &out, &total), host.write_drain(probe.handle, 0),
      host.write(probe.handle, out, false), host.close(probe.handle, MARTLET_CLOSE_NOW),
      host.continue_reading(probe.handle), host.disable_reading(probe.handle, true),
      PluginTables.setTimer(probe.handle, 0, 0),
    ]
    #expect(answers == Array(repeating: MARTLET_E_GONE, count: 9), sourceLocation: sourceLocation)
  }

  @Test func aStaleHandleIsGone() throws {
    let probe = FilterProbe()
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("close") { bench.connection.close() },
      step("gone") { expectGone(probe) },
      step("so is none") {
        probe.handle = 0
        expectGone(probe)
      },
    ])
  }

  @Test func nothingCanBeDoneInOnClose() throws {
    let probe = FilterProbe()
    var answers: [martlet_status] = []
    probe.closed = {
      var out = martlet_bytes()
      answers = [probe.host.pointee.read_buffer(probe.handle, &out), probe.close(MARTLET_CLOSE_NOW)]
    }
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] }, step("close") { bench.connection.close() },
    ])
    expectEnded(probe)
    do {
      #expect(answers == Array(repeating: MARTLET_E_STATE, count: 2))
    }
  }
}
