// Who is blamed, and what calls cost: the slot of a thread, the tallies, the text of a request.
import CMartletBlame
import Glibc
import Testing

@testable import Server

/// A call by itself.
private struct Call {
  let scope: martlet_scope
  let call: martlet_call

  init(_ tally: UnsafeMutablePointer<martlet_tally>, _ hook: Int32) {
    scope = martlet_scope_begin(nil)
    call = martlet_call_begin(tally, UInt32(hook))
  }

  func end() {
    martlet_call_end(call)
    martlet_scope_end(scope)
  }
}

@Suite(.serialized) struct BlameTests {
  private func escaped(_ bytes: [UInt8], capacity: Int = 256) -> String {
    var out = [CChar](repeating: 1, count: capacity)
    let count = martlet_escape(&out, capacity, bytes, bytes.count)
    #expect(capacity == 0 || out[count] == 0)
    return String(decoding: out.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  @Test func printableTextStaysAsItIs() {
    #expect(escaped(Array("/a?b=c%20~".utf8)) == "/a?b=c%20~")
    #expect(escaped([]) == "")
  }

  @Test func whatALogCannotHoldIsEscaped() {
    #expect(escaped([0x22, 0x5c, 0x0a, 0x00, 0x7f, 0xe4]) == #"\"\\\x0a\x00\x7f\xe4"#)
  }

  @Test func whatDoesNotFitIsLeftOut() {
    #expect(escaped(Array("abcdefgh".utf8), capacity: 9) == "abcdefgh")
    #expect(escaped(Array("abcdefgh".utf8), capacity: 8) == "abcd...")
    #expect(escaped([0x61, 0, 0, 0], capacity: 8) == "a...")
    for capacity in 0..<12 {
      #expect(escaped([0, 0x22, 0x61, 0], capacity: capacity).utf8.count <= max(0, capacity))
    }
  }

  private func tally(_ filter: String) -> UnsafeMutablePointer<martlet_tally> {
    martlet_tally_find(7, "com.example.unit", "1", "hash", filter)
  }

  @Test func oneTallyForOneFilterOnOneThread() {
    #expect(tally("a") == tally("a"))
    #expect(tally("a") != tally("b"))
    #expect(tally("a") != martlet_tally_find(8, "com.example.unit", "1", "hash", "a"))
    #expect(PluginTally.all.contains { $0.address == UInt(bitPattern: tally("a")) })
  }

  @Test func callsAreCountedAndTheFirstIsTimed() {
    let tally = tally("counted")
    for _ in 0..<520 {
      let call = Call(tally, MARTLET_HOOK_ON_DATA)
      #expect(
        (call.call.start != 0)
          == [1, 257, 513].contains(martlet_tally_calls(tally, UInt32(MARTLET_HOOK_ON_DATA))))
      call.end()
    }
    #expect(martlet_tally_calls(tally, UInt32(MARTLET_HOOK_ON_DATA)) == 520)
    #expect(martlet_tally_time(tally, UInt32(MARTLET_HOOK_ON_DATA)) > 0)
    #expect(martlet_tally_calls(tally, UInt32(MARTLET_HOOK_ON_WRITE)) == 0)
  }

  @Test func whatWasUnderWayIsAgainAfterAnInnerCall() {
    let outer = Call(tally("outer"), MARTLET_HOOK_ON_TIMER)
    let seen = observed()
    let inner = Call(tally("inner"), MARTLET_HOOK_ON_CLOSE)
    #expect(observed() == "inner on_close")
    inner.end()
    #expect(observed() == seen && seen == "outer on_timer")
    outer.end()
    #expect(observed() == "")
  }

  /// As the watchdog sees this thread.
  private func observed() -> String {
    martlet_slot_open("unit")
    defer { martlet_slot_close() }
    let own = martlet_own_slot_serial()
    return withUnsafeTemporaryAllocation(of: martlet_observation.self, capacity: 64) { buffer in
      let count = martlet_slots_observe(buffer.baseAddress, buffer.count)
      guard let one = buffer[..<count].first(where: { $0.serial == own }) else { return "" }
      return "\(PluginTally(one.tally).filter) \(PluginTally.name(of: one.hook))"
    }
  }

  @Test func aMarkedCallOverItsBudgetCountsItself() {
    let tally = tally("slow")
    martlet_tally_limit(tally, 2_000_000, 1_000_000_000)
    martlet_slot_open("unit")
    defer { martlet_slot_close() }
    func call(_ microseconds: UInt32) {
      let call = Call(tally, MARTLET_HOOK_ON_WAKE)
      _ = withUnsafeTemporaryAllocation(of: martlet_observation.self, capacity: 64) {
        martlet_slots_observe($0.baseAddress, $0.count)
      }
      usleep(microseconds)
      call.end()
    }
    call(100)
    call(100)
    #expect(martlet_tally_over(tally, UInt32(MARTLET_HOOK_ON_WAKE)) == 0)
    call(4000)
    #expect(martlet_tally_over(tally, UInt32(MARTLET_HOOK_ON_WAKE)) == 1)
    #expect(martlet_tally_longest(tally, UInt32(MARTLET_HOOK_ON_WAKE)) >= 4_000_000)
  }

  @Test func bytesBelongToTheCallThatIsUnderWay() {
    let tally = tally("greedy")
    martlet_call_allocated(100)
    let call = Call(tally, MARTLET_HOOK_CREATE)
    martlet_call_allocated(10)
    martlet_call_allocated(32)
    call.end()
    martlet_call_allocated(100)
    #expect(martlet_tally_bytes(tally, UInt32(MARTLET_HOOK_CREATE)) == 42)
  }

  @Test func functionsAreCalledAsInTheHeader() {
    #expect(PluginTally.name(of: UInt32(MARTLET_HOOK_ON_REQUEST_HEADERS)) == "on_request_headers")
    #expect(PluginTally.name(of: UInt32(MARTLET_HOOK_CLOSE)) == "close")
    #expect(Set(PluginTally.hooks.map { PluginTally.name(of: $0) }).count == Int(MARTLET_HOOKS))
  }
}

@Suite struct StuckCallTests {
  private let tally: UnsafeMutablePointer<martlet_tally> = martlet_tally_find(
    3, "com.example.stuck", "2", "0123456789abcdef", "f")

  private func observation(_ count: UInt64) -> martlet_observation {
    var one = martlet_observation()
    one.serial = 99_999
    one.call = UnsafeMutableRawPointer(tally).assumingMemoryBound(to: UInt64.self) + Int(MARTLET_HOOK_ON_DATA)
    one.count = count
    one.tally = UnsafePointer(tally)
    one.hook = UInt32(MARTLET_HOOK_ON_DATA)
    one.thread = 5
    return one
  }

  @Test func aStuckCallIsToldOnceAndWhenItEnds() {
    martlet_tally_limit(tally, 1, 1_000_000_000)
    let start = ContinuousClock.now
    var stuck = StuckCalls()
    #expect(stuck.look(at: [observation(1)], now: start).isEmpty)
    #expect(stuck.look(at: [observation(1)], now: start + .milliseconds(999)).isEmpty)
    let place = "thread  (5) in plugin com.example.stuck 2 (0123456789ab), filter f, on_data"
    #expect(
      stuck.look(at: [observation(1)], now: start + .milliseconds(1000)) == ["stuck for 1000 ms: \(place)"])
    #expect(stuck.look(at: [observation(1)], now: start + .seconds(5)).isEmpty)
    #expect(stuck.look(at: [], now: start + .seconds(6)) == ["no longer stuck after 6000 ms: \(place)"])
    #expect(stuck.look(at: [], now: start + .seconds(7)).isEmpty)
  }

  @Test func manyShortCallsAreNotOneLong() {
    martlet_tally_limit(tally, 1, 1_000_000_000)
    let start = ContinuousClock.now
    var stuck = StuckCalls()
    for tenth in 0..<50 {
      let lines = stuck.look(at: [observation(UInt64(tenth))], now: start + .milliseconds(100 * tenth))
      #expect(lines.isEmpty)
    }
  }
}
