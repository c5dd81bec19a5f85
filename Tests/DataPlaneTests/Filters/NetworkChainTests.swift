// Chains of C function tables over a real socket: who is asked and when, stopping and going on,
// what is written, timers, and closing from inside each hook.
import CMartletABI
import Testing

@testable import DataPlane

@Suite struct NetworkChainTests {
  @Test func everyoneInTurn() throws {
    let first = FilterProbe()
    let second = FilterProbe()
    let bench = try ChainBench([first.factory(), second.factory()])
    second.data = { _ in
      #expect(first.log.last == "data" || first.log.last == "end")
      return MARTLET_CONTINUE
    }
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("send") { bench.peer.write("abc") },
      until("received") { bench.terminal.received == bytes("abc") },
      step("end") { bench.peer.shutdownWriting() },
      until("ended") { bench.terminal.log.last == "ended" },
    ])
    #expect(first.log == ["create", "new", "data", "end", "close", "destroy"])
    #expect(second.log == first.log)
    #expect(bench.terminal.log == ["start", "ended", "closed"])
  }

  @Test func aFilterMayTakeBytesAway() throws {
    let probe = FilterProbe()
    probe.data = { _ in
      #expect(probe.unread == "abcdef")
      #expect(probe.host.pointee.read_drain(probe.handle, 7) == MARTLET_E_ARGUMENT)
      #expect(probe.host.pointee.read_drain(probe.handle, 4) == MARTLET_OK)
      #expect(probe.unread == "ef")
      return MARTLET_CONTINUE
    }
    let bench = try ChainBench([probe.factory()])
    bench.run([
      step("send") { bench.peer.write("abcdef") },
      until("the rest") { bench.terminal.received == bytes("ef") },
    ])
  }

  // MARK: Stopping and going on

  /// As in Envoy: a filter that holds a new connection back sees its bytes all the same.
  @Test func aStoppedConnectionIsNotSeenBehindTheFilterUntilItGoesOn() throws {
    let first = FilterProbe()
    let second = FilterProbe()
    first.newConnection = { MARTLET_STOP }
    first.data = { _ in MARTLET_STOP }
    let bench = try ChainBench([first.factory(), second.factory()])
    bench.run([
      step("send") { bench.peer.write("early") },
      pause(milliseconds: 20),
      step("nobody heard") {
        #expect(first.log == ["create", "new", "data"])
        #expect(second.log == ["create"])
        #expect(bench.terminal.log.isEmpty)
      },
      step("go on") { #expect(first.host.pointee.continue_reading(first.handle) == MARTLET_OK) },
      until("received") { bench.terminal.received == bytes("early") },
    ])
    #expect(first.log == ["create", "new", "data", "close", "destroy"])
    #expect(second.log == ["create", "new", "data", "close", "destroy"])
  }

  @Test func goingOnInsideTheHookThatStops() throws {
    let probe = FilterProbe()
    probe.newConnection = {
      _ = probe.host.pointee.continue_reading(probe.handle)
      return MARTLET_STOP
    }
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("send") { bench.peer.write("x") },
      until("received") { bench.terminal.received == bytes("x") },
    ])
  }

  @Test func stoppedBytesAreOfferedWithTheNext() throws {
    let first = FilterProbe()
    let second = FilterProbe()
    first.data = { _ in first.unread.utf8.count < 4 ? MARTLET_STOP : MARTLET_CONTINUE }
    let bench = try ChainBench([first.factory(), second.factory()])
    bench.run([
      step("two bytes") { bench.peer.write("ab") },
      until("seen") { first.log.last == "data" },
      step("not passed on") { #expect(second.log == ["create", "new"] && bench.terminal.received.isEmpty) },
      step("two more") { bench.peer.write("cd") },
      until("passed on") { bench.terminal.received == bytes("abcd") },
    ])
  }

  @Test func continueReadingOffersStoppedBytesAgain() throws {
    let probe = FilterProbe()
    var passes = false
    probe.data = { _ in passes ? MARTLET_CONTINUE : MARTLET_STOP }
    let bench = try ChainBench([probe.factory()])
    bench.run([
      step("send") { bench.peer.write("ab") },
      until("seen") { probe.log.last == "data" },
      step("pass") {
        passes = true
        #expect(probe.host.pointee.continue_reading(probe.handle) == MARTLET_OK)
      },
      until("passed on") { bench.terminal.received == bytes("ab") },
    ])
  }

  @Test func theEndIsNotLostWhileStopped() throws {
    let probe = FilterProbe()
    probe.newConnection = { MARTLET_STOP }
    let bench = try ChainBench([probe.factory()])
    bench.run([
      step("send and end") {
        bench.peer.write("ab")
        bench.peer.shutdownWriting()
      },
      pause(milliseconds: 20),
      step("go on") { _ = probe.host.pointee.continue_reading(probe.handle) },
      until("ended") { bench.terminal.log == ["start", "ended"] },
    ])
    #expect(bench.terminal.received == bytes("ab"))
  }

  @Test func readingCanBeHeldBack() throws {
    let probe = FilterProbe()
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("hold") { #expect(probe.host.pointee.disable_reading(probe.handle, true) == MARTLET_OK) },
      step("send") { bench.peer.write("ab") },
      pause(milliseconds: 20),
      step("nothing") { #expect(bench.terminal.received.isEmpty && bench.unread == 0) },
      step("let go") { #expect(probe.host.pointee.disable_reading(probe.handle, false) == MARTLET_OK) },
      until("received") { bench.terminal.received == bytes("ab") },
    ])
  }

  @Test func aFilterThatStopsCannotBeMadeToHoldMoreThanTheLimit() throws {
    let probe = FilterProbe()
    probe.data = { _ in MARTLET_STOP }
    let bench = try ChainBench([probe.factory()], bufferLimit: 65_536)
    var idle = 0
    bench.run([
      until("the peer cannot send more") {
        if bench.unread > 4 << 20 { return true }
        idle = bench.peer.write([UInt8](repeating: 1, count: 65_536)) == 0 ? idle + 1 : 0
        return idle > 50
      },
      step("bounded") {
        do {
          // One read of bulk data may go over it.
          #expect(bench.unread <= 65_536 + (512 << 10))
        }
      },
    ])
  }

  // MARK: Writing

  @Test func writtenBytesPassTheHooksFromLastToFirst() throws {
    let first = FilterProbe()
    let second = FilterProbe()
    var order: [String] = []
    first.write = {
      order.append("first")
      return MARTLET_CONTINUE
    }
    second.write = {
      order.append("second")
      var out = martlet_bytes()
      var total = 0
      #expect(second.host.pointee.write_buffer(second.handle, &out, &total) == MARTLET_OK)
      #expect(total == 6 && out.size == 6)
      #expect(second.host.pointee.write_drain(second.handle, 7) == MARTLET_E_ARGUMENT)
      #expect(second.host.pointee.write_drain(second.handle, 2) == MARTLET_OK)
      return MARTLET_CONTINUE
    }
    let bench = try ChainBench([first.factory(writes: true), second.factory(writes: true)])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("write") { bench.terminal.terminal?.send("abcdef") },
      until("arrived") { bench.peer.read(atLeast: 4) },
    ])
    #expect(order == ["second", "first"])
    #expect(bench.peer.text == "cdef")
  }

  @Test func heldBytesGoOutWithTheNext() throws {
    let probe = FilterProbe()
    var passes = false
    probe.write = { passes ? MARTLET_CONTINUE : MARTLET_STOP }
    let bench = try ChainBench([probe.factory(writes: true)])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("first") { bench.terminal.terminal?.send("ab") },
      pause(milliseconds: 10),
      step("held") {
        bench.peer.read()
        #expect(bench.peer.received.isEmpty && bench.connection.backlog == 2)
        passes = true
        bench.terminal.terminal?.send("cd")
      },
      until("both") { bench.peer.read(atLeast: 4) },
    ])
    #expect(bench.peer.text == "abcd")
  }

  @Test func theWriteBufferIsOnlyThereInItsHook() throws {
    let probe = FilterProbe()
    var out = martlet_bytes()
    var total = 0
    probe.data = { _ in
      #expect(probe.host.pointee.write_buffer(probe.handle, &out, &total) == MARTLET_E_STATE)
      #expect(probe.host.pointee.write_drain(probe.handle, 0) == MARTLET_E_STATE)
      return MARTLET_CONTINUE
    }
    let bench = try ChainBench([probe.factory(writes: true)])
    bench.run([
      step("send") { bench.peer.write("x") }, until("received") { !bench.terminal.received.isEmpty },
    ])
  }

  @Test func aFiltersOwnBytesPassNoHook() throws {
    let probe = FilterProbe()
    probe.newConnection = {
      probe.send("hello", end: true)
      return MARTLET_CONTINUE
    }
    let bench = try ChainBench([probe.factory(writes: true)])
    bench.run([
      until("arrived, then the end") {
        bench.peer.read()
        return bench.peer.sawEnd
      }
    ])
    #expect(bench.peer.text == "hello")
    #expect(!probe.log.contains("write"))
  }

  @Test func answersNobodyReadsHoldTheReadingBack() throws {
    let probe = FilterProbe()
    probe.data = { _ in
      let text = probe.unread
      probe.send(text)
      _ = probe.host.pointee.read_drain(probe.handle, text.utf8.count)
      return MARTLET_STOP
    }
    let bench = try ChainBench([probe.factory()], bufferLimit: 65_536)
    var written = 0
    var idle = 0
    bench.run([
      until("the peer cannot send more") {
        let count = bench.peer.write([UInt8](repeating: 0x61, count: 65_536))
        written += count
        idle = count == 0 ? idle + 1 : 0
        return idle > 20 || written > 64 << 20
      },
      step("bounded") { #expect(bench.connection.backlog < 2 << 20 && written < 8 << 20) },
      until("all comes back") {
        bench.peer.read()
        return bench.peer.received.count == written
      },
    ])
  }

  // MARK: Timers

  @Test func timersFireOnceAndAreReplaced() throws {
    let first = FilterProbe()
    let second = FilterProbe()
    let bench = try ChainBench([first.factory(), second.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("set") {
        #expect(first.setTimer(3_600_000) == MARTLET_OK)
        #expect(first.setTimer(5) == MARTLET_OK)
        #expect(second.setTimer(5) == MARTLET_OK)
        #expect(second.setTimer(0) == MARTLET_OK)
      },
      until("fired") { first.log.last == "timer" },
      pause(milliseconds: 20),
    ])
    #expect(first.log.filter { $0 == "timer" }.count == 1)
    #expect(!second.log.contains("timer"))
  }

  @Test func aTimerMaySetItself() throws {
    let probe = FilterProbe()
    probe.timer = { if probe.log.filter({ $0 == "timer" }).count < 3 { probe.setTimer(1) } }
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("set") { probe.setTimer(1) },
      until("three times") { probe.log.filter { $0 == "timer" }.count == 3 },
      pause(milliseconds: 10),
    ])
    #expect(probe.log.filter { $0 == "timer" }.count == 3)
  }

  @Test func timersEndWithTheConnection() throws {
    let probe = FilterProbe()
    let bench = try ChainBench([probe.factory()])
    bench.run([
      until("started") { bench.terminal.log == ["start"] },
      step("set and close") {
        probe.setTimer(10)
        bench.connection.close()
      },
      pause(milliseconds: 30),
    ])
    #expect(probe.log == ["create", "new", "close", "destroy"])
  }
}
