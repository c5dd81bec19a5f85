// The timer wheel against a sorted list: never early, late by a tick at most, whatever the distance.
import Testing

@testable import DataPlane

private let tick: UInt64 = 1 << 20

/// Notes when it fires, and may do something to the wheel then.
private final class Probe: TimerTarget {
  var timer = TimerID.none
  var firedAt: UInt64?
  var count = 0
  var then: () -> Void = {}
  override func timerFired(now: UInt64) {
    timer = .none
    firedAt = now
    count += 1
    then()
  }
}

@Suite struct TimerWheelTests {
  @Test(
    arguments: [
      0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 16_777_215, 16_777_216, 16_777_217,
    ] as [UInt64])
  func theEdgesOfTheLevels(_ distance: UInt64) {
    let starts: [UInt64] = [0, 255, 1, 254, 256, 65_280, 65_535, 0xff_ffff, 0xffff_ffff]
    for start in starts.prefix(distance > 100_000 ? 2 : 9) {
      let wheel = TimerWheel(now: start * tick)
      let probe = Probe()
      let deadline = (start + distance) * tick
      probe.timer = wheel.add(probe, at: deadline)
      wheel.advance(to: (start + Swift.max(distance, 1)) * tick - 1)
      #expect(probe.count == 0, "\(distance) from \(start)")
      wheel.advance(to: (start + Swift.max(distance, 1)) * tick)
      #expect(probe.count == 1, "\(distance) from \(start)")
      #expect(wheel.count == 0)
    }
  }

  @Test(arguments: 1...6)
  func againstASortedList(_ seed: UInt64) {
    var random = SeededRandom(seed)
    var now = UInt64.random(in: 0...(1 << 50), using: &random)
    let wheel = TimerWheel(now: now)
    let probes = (0..<200).map { _ in Probe() }
    var deadlines: [Int: UInt64] = [:]
    for _ in 0..<4000 {
      let index = Int.random(in: 0..<probes.count, using: &random)
      let shift = UInt64.random(in: 0...37, using: &random)
      let deadline = now + UInt64.random(in: 0...(1 << shift), using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<4:
        if deadlines[index] == nil {
          probes[index].timer = wheel.add(probes[index], at: deadline)
        } else {
          wheel.move(probes[index].timer, to: deadline)
        }
        deadlines[index] = deadline
      case 4:
        wheel.cancel(&probes[index].timer)
        #expect(probes[index].timer == .none)
        deadlines[index] = nil
      default:
        let step = UInt64.random(in: 0...(1 << UInt64.random(in: 10...31, using: &random)), using: &random)
        if let milliseconds = wheel.millisecondsToNext(now: now), let first = deadlines.values.min() {
          // The loop must not sleep past the first deadline by more than a tick (and rounding).
          #expect(now + UInt64(milliseconds) * 1_000_000 <= Swift.max(first, now) + 2 * tick + 1_000_000)
        }
        for probe in probes { probe.count = 0 }
        let before = now
        now += step
        wheel.advance(to: now)
        for (index, deadline) in deadlines {
          let dueTick = Swift.max((deadline + tick - 1) >> 20, (before >> 20) + 1)
          let due = dueTick <= now >> 20
          if probes[index].count != (due ? 1 : 0) {
            // A timer set in an earlier turn for a time that was over then is due by now.
            #expect(probes[index].count == 1 && deadline <= now)
          }
          if probes[index].count == 1 {
            #expect(deadline <= now)
            deadlines[index] = nil
          } else {
            #expect(deadline + tick > now)
          }
        }
      }
      #expect(wheel.count == deadlines.count)
      guard wheel.count == deadlines.count else { return }
    }
  }

  @Test func deadlinesOfHoursAndForEver() {
    let wheel = TimerWheel(now: 0)
    let probe = Probe()
    let never = Probe()
    never.timer = wheel.add(never, at: .max)
    // 6 hours: on the last level, and down through all the others.
    let deadline: UInt64 = 6 * 3600 * 1_000_000_000 + 12_345
    probe.timer = wheel.add(probe, at: deadline)
    wheel.advance(to: deadline - 1)
    #expect(probe.count == 0)
    wheel.advance(to: deadline + tick)
    #expect(probe.count == 1 && never.count == 0 && wheel.count == 1)
    wheel.cancel(&never.timer)
    #expect(wheel.count == 0)
  }

  @Test func firesInOrderOfTicks() {
    let wheel = TimerWheel(now: 0)
    var random = SeededRandom(9)
    var order: [UInt64] = []
    let probes = (0..<300).map { _ in Probe() }
    for probe in probes {
      let deadline = UInt64.random(in: 1...100_000, using: &random) * tick
      probe.then = { order.append(deadline) }
      probe.timer = wheel.add(probe, at: deadline)
    }
    wheel.advance(to: 100_001 * tick)
    #expect(order.count == 300)
    #expect(order == order.sorted())
  }

  @Test func addingMovingAndCancellingInsideACallback() {
    let wheel = TimerWheel(now: 0)
    let first = Probe()
    let sameTick = Probe()
    let later = Probe()
    let added = Probe()
    first.then = {
      wheel.cancel(&sameTick.timer)
      wheel.move(later.timer, to: 20 * tick)
      // Due already: fires in the next tick, not in an endless loop of this one.
      added.timer = wheel.add(added, at: 0)
    }
    // The list of a slot is last in, first out.
    sameTick.timer = wheel.add(sameTick, at: 10 * tick)
    first.timer = wheel.add(first, at: 10 * tick)
    later.timer = wheel.add(later, at: 1_000_000 * tick)
    wheel.advance(to: 10 * tick)
    #expect(first.count == 1 && sameTick.count == 0 && later.count == 0 && added.count == 0)
    wheel.advance(to: 11 * tick)
    #expect(added.count == 1)
    wheel.advance(to: 19 * tick)
    #expect(later.count == 0)
    wheel.advance(to: 20 * tick)
    #expect(later.count == 1 && wheel.count == 0)
  }

  @Test func aTimerThatSetsItselfAgain() {
    let wheel = TimerWheel(now: 0)
    let probe = Probe()
    probe.then = { probe.timer = wheel.add(probe, at: (probe.firedAt ?? 0) + 5 * tick) }
    probe.timer = wheel.add(probe, at: 5 * tick)
    for now in 1...1000 as ClosedRange<UInt64> { wheel.advance(to: now * tick) }
    #expect(probe.count == 200)
    wheel.cancel(&probe.timer)
    wheel.cancel(&probe.timer)
    #expect(wheel.count == 0 && wheel.millisecondsToNext(now: 1000 * tick) == nil)
  }

  @Test func nodesAreUsedAgain() {
    let wheel = TimerWheel(now: 0)
    let probes = (0..<1000).map { _ in Probe() }
    for round in 0..<5 {
      for probe in probes { probe.timer = wheel.add(probe, at: UInt64(round * 10 + 5) * tick) }
      let highest = probes.map { $0.timer.index }.max()
      #expect(highest == 999)
      wheel.advance(to: UInt64(round * 10 + 10) * tick)
    }
    #expect(probes.allSatisfy { $0.count == 5 })
  }

  @Test func sleepsUntilTheFirst() {
    let wheel = TimerWheel(now: 0)
    let probe = Probe()
    probe.timer = wheel.add(probe, at: 100 * tick)
    let wait = wheel.millisecondsToNext(now: 0)
    #expect(wait == 105)  // 100 ticks of 1.048576 ms, rounded up
    #expect(wheel.millisecondsToNext(now: 200 * tick) == 0)
  }

  // MARK: LazyTimer

  @Test func aLazyTimerMovesOnlyForward() {
    let wheel = TimerWheel(now: 0)
    let probe = Probe()
    var lazy = LazyTimer()
    lazy.ensure(by: .max, target: probe, wheel: wheel)
    #expect(wheel.count == 0)
    lazy.ensure(by: 50 * tick, target: probe, wheel: wheel)
    lazy.ensure(by: 500 * tick, target: probe, wheel: wheel)
    wheel.advance(to: 50 * tick)
    #expect(probe.count == 1)
    lazy.fired()
    lazy.ensure(by: 500 * tick, target: probe, wheel: wheel)
    lazy.ensure(by: 60 * tick, target: probe, wheel: wheel)
    #expect(wheel.count == 1)
    wheel.advance(to: 60 * tick)
    #expect(probe.count == 2)
    lazy.fired()
    lazy.ensure(by: 70 * tick, target: probe, wheel: wheel)
    lazy.cancel(wheel: wheel)
    wheel.advance(to: 1000 * tick)
    #expect(probe.count == 2 && wheel.count == 0)
    lazy.ensure(by: 2000 * tick, target: probe, wheel: wheel)
    wheel.advance(to: 2000 * tick)
    #expect(probe.count == 3)
  }
}
