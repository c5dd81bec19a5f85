// The states of a process, by a clock the test holds.
import Testing

@testable import Server

@Suite struct LifecycleTests {
  private let now = ContinuousClock.now

  private func live(drain: Int = 10, parent: Int = 20) -> Lifecycle {
    var lifecycle = Lifecycle(drainTime: .seconds(drain), parentShutdownTime: .seconds(parent))
    #expect(lifecycle.state == .preInitializing)
    lifecycle.started()
    #expect(lifecycle.state == .live)
    return lifecycle
  }

  @Test func drainsUntilTheLastConnectionIsGone() {
    var lifecycle = live()
    #expect(lifecycle.check(now: now, activeConnections: 0) == .none)
    #expect(lifecycle.terminate(now: now) == .beginDrain)
    #expect(lifecycle.state == .draining)
    #expect(lifecycle.check(now: now + .seconds(9), activeConnections: 1) == .none)
    #expect(lifecycle.check(now: now + .seconds(9), activeConnections: 0) == .end(.drained))
  }

  @Test func drainTimeEndsIt() {
    var lifecycle = live()
    _ = lifecycle.terminate(now: now)
    #expect(lifecycle.check(now: now + .seconds(10), activeConnections: 1) == .end(.drainTimeOver))
  }

  @Test func parentShutdownTimeLimitsTheDrain() {
    var lifecycle = live(parent: 3)
    _ = lifecycle.terminate(now: now)
    #expect(lifecycle.check(now: now + .seconds(2), activeConnections: 1) == .none)
    #expect(lifecycle.check(now: now + .seconds(3), activeConnections: 1) == .end(.drainTimeOver))
  }

  @Test func aSecondSignalEndsAtOnce() {
    var lifecycle = live()
    _ = lifecycle.terminate(now: now)
    #expect(lifecycle.terminate(now: now) == .end(.secondSignal))
  }

  @Test func aSignalBeforeItIsLiveDrainsToo() {
    var lifecycle = Lifecycle(drainTime: .zero, parentShutdownTime: .zero)
    #expect(lifecycle.terminate(now: now) == .beginDrain)
    #expect(lifecycle.check(now: now, activeConnections: 5) == .end(.drainTimeOver))
  }
}
