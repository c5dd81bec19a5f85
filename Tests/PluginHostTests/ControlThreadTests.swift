// The thread of plugins: order, timers, and what is asked of it while it ends and afterwards.
import Glibc
import Synchronization
import Testing

@testable import PluginHost

@Suite struct ControlThreadTests {
  @Test func messagesRunInOrder() {
    let control = ControlThread()
    let seen = Mutex<[Int]>([])
    for number in 0..<100 { control.post { seen.withLock { $0.append(number) } } }
    let isThere = control.run { control.isCurrent }
    #expect(isThere)
    #expect(!control.isCurrent)
    #expect(seen.withLock { $0 } == Array(0..<100))
    control.stop()
  }

  @Test func aCallFromTheThreadItselfRunsAtOnce() {
    let control = ControlThread()
    #expect(control.run { control.run { 7 } } == 7)
    control.stop()
  }

  /// What a message holds may post when it goes (a filter's end does).
  @Test func theEndOfAMessageMayPost() {
    final class Last: Sendable {
      let end: @Sendable () -> Void
      init(_ end: @escaping @Sendable () -> Void) { self.end = end }
      deinit { end() }
    }
    let control = ControlThread()
    let heard = Mutex(0)
    for _ in 0..<1000 {
      let last = Last { control.post { heard.withLock { $0 += 1 } } }
      control.post { withExtendedLifetime(last) {} }
    }
    while heard.withLock({ $0 }) < 1000 { usleep(1000) }
    control.stop()
  }

  @Test func stopRunsWhatWasPosted() {
    let control = ControlThread()
    let seen = Mutex(0)
    for _ in 0..<100 { control.post { seen.withLock { $0 += 1 } } }
    control.stop()
    #expect(seen.withLock { $0 } == 100)
  }

  @Test func afterItsEndACallRunsOnTheCallersThread() {
    let control = ControlThread()
    control.stop()
    #expect(!control.post {})
    #expect(control.run { 5 } == 5)
    control.stop()
  }

  @Test func timersFireOnceInTheOrderOfTheirTimes() {
    let control = ControlThread()
    let seen = Mutex<[UInt32]>([])
    control.run {
      for (number, delay) in [(0, 60), (1, 20), (2, 40), (3, 30)] as [(UInt32, UInt64)] {
        control.setTimer(1, number, milliseconds: delay) { seen.withLock { $0.append(number) } }
      }
      control.setTimer(1, 3, milliseconds: 0) { seen.withLock { $0.append(99) } }
      control.setTimer(2, 0, milliseconds: 1) { seen.withLock { $0.append(99) } }
      control.cancelTimers(of: 2)
    }
    for _ in 0..<500 where control.run({ seen.withLock { $0.count } }) < 3 { usleep(10_000) }
    usleep(20_000)
    #expect(control.run { seen.withLock { $0 } } == [1, 2, 0])
    control.stop()
  }
}
