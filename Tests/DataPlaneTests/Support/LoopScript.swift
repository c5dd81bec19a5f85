// Running a reactor on the test's own thread: steps that are tried every millisecond, each until it
// says that it is done, while the loop runs in between.
import CMartletSystem
import Testing

@testable import DataPlane

final class LoopScript: TimerTarget {
  struct Step {
    let name: String
    let isDone: () -> Bool
  }
  private let reactor: Reactor
  private var steps: [Step]
  private let deadline: UInt64

  private init(_ reactor: Reactor, _ steps: [Step], seconds: UInt64) {
    self.reactor = reactor
    self.steps = steps
    deadline = martlet_monotonic_nanoseconds() + seconds * 1_000_000_000
  }

  /// Runs the reactor until all steps are done; a reactor runs once. A step that is not done in
  /// time is an issue.
  static func run(
    _ reactor: Reactor, seconds: UInt64 = 10, _ steps: [Step],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let script = LoopScript(reactor, steps, seconds: seconds)
    _ = reactor.timers.add(script, at: reactor.now)
    reactor.run()
    withExtendedLifetime(script) {}
    if let left = script.steps.first {
      Issue.record("not in time: \(left.name)", sourceLocation: sourceLocation)
    }
  }

  override func timerFired(now: UInt64) {
    while let step = steps.first {
      guard step.isDone() else { break }
      steps.removeFirst()
    }
    if steps.isEmpty || martlet_monotonic_nanoseconds() > deadline {
      reactor.stop()
    } else {
      _ = reactor.timers.add(self, at: now + 1_000_000)
    }
  }
}

/// Something to do once.
func step(_ name: String, _ body: @escaping () -> Void) -> LoopScript.Step {
  LoopScript.Step(name: name) {
    body()
    return true
  }
}

/// Something to wait for.
func until(_ name: String, _ condition: @escaping () -> Bool) -> LoopScript.Step {
  LoopScript.Step(name: name, isDone: condition)
}

/// Turns of the loop that go by: for what must not happen.
func pause(milliseconds: UInt64) -> LoopScript.Step {
  var end: UInt64 = 0
  return LoopScript.Step(name: "pause") {
    let now = martlet_monotonic_nanoseconds()
    if end == 0 { end = now + milliseconds * 1_000_000 }
    return now >= end
  }
}
