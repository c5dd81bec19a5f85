// What of supervision is pure: when a process is started again, the messages between the two processes, and what
// becomes of a plugin that has crashed.
import Model
import Testing

@testable import Server

@Suite struct RestartPolicyTests {
  private let start = ContinuousClock.now

  private func delay(_ decision: RestartPolicy.Decision) -> Duration? {
    if case .restart(let delay) = decision { return delay }
    return nil
  }

  @Test func aRareCrashIsNotWaitedFor() {
    var policy = RestartPolicy()
    for hour in 0..<100 {
      #expect(policy.crashed(at: start + .seconds(3600 * hour)) == .restart(after: .zero))
    }
  }

  @Test func delaysDoubleUpToTheLongest() {
    var policy = RestartPolicy()
    let delays = (0..<10).map { delay(policy.crashed(at: start + .seconds($0))) }
    let expected = [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000].map { Duration.milliseconds($0) }
    #expect(delays == expected)
  }

  @Test func tooManyWithinTheWindowAreGivenUp() {
    var policy = RestartPolicy()
    for second in 0..<RestartPolicy.limit { _ = policy.crashed(at: start + .seconds(second)) }
    #expect(policy.crashed(at: start + .seconds(20)) == .giveUp(crashes: RestartPolicy.limit + 1))
  }

  @Test func whatIsOlderThanTheWindowIsForgotten() {
    var policy = RestartPolicy()
    for second in 0..<RestartPolicy.limit { _ = policy.crashed(at: start + .seconds(second)) }
    // All but the last three are out of the window.
    let decision = policy.crashed(at: start + RestartPolicy.window + .milliseconds(6_500))
    #expect(decision == .restart(after: .milliseconds(400)))
    #expect(policy.count == 4)
  }
}

@Suite struct SupervisorMessageTests {
  @Test func requestsComeBackAsTheyWere() {
    for request: SupervisorRequest in [.take("a b#1"), .keep("ü"), .drop("x\ty"), .settle, .crashes] {
      #expect(SupervisorRequest(request.bytes) == request)
    }
  }

  @Test(arguments: ["", "X", "T", "K", "D", "Sx", "Cx", "t1"])
  func whatIsNoRequestIsNone(_ text: String) { #expect(SupervisorRequest(Array(text.utf8)) == nil) }

  @Test func crashLinesComeBackAsTheyWere() {
    let line = CrashLine(
      hash: "9f", plugin: "com.example.a", version: "1.0.0", filter: "a b", function: "on_data",
      milliseconds: 1234)
    #expect(CrashLine(line.text) == line)
  }

  @Test func aNameWithTabsCannotMoveTheBorders() {
    let line = CrashLine(
      hash: "9f", plugin: "p", version: "1\n2", filter: "a\tb", function: "open", milliseconds: 1)
    #expect(CrashLine(line.text)?.filter == "a b")
    #expect(!line.text.contains("\n"))
  }

  @Test(arguments: ["", "a\tb", "a\tb\tc\td\te\tx", "a\tb\tc\td\te\t-1", "a\tb\tc\td\te\t1\t2"])
  func whatIsNoCrashLineIsNone(_ text: String) { #expect(CrashLine(text) == nil) }
}

@Suite struct CrashPolicyTests {
  private func ages(_ seconds: Int...) -> [Duration] { seconds.map { .seconds($0) } }

  @Test func itIsLoadedAgainAsOftenAsIsSaid() {
    var policy = CrashPolicy()
    policy.retries = 2
    #expect(policy.disables(crashedBefore: []) == nil)
    #expect(policy.disables(crashedBefore: ages(1, 2)) == nil)
    #expect(policy.disables(crashedBefore: ages(1, 2, 3)) == .failClosed)
  }

  @Test func withoutRetriesTheFirstCrashIsTheLast() {
    var policy = CrashPolicy()
    policy.retries = 0
    policy.then = .failOpen
    #expect(policy.disables(crashedBefore: ages(0)) == .failOpen)
  }

  @Test func whatIsOlderThanTheWindowDoesNotCount() {
    var policy = CrashPolicy()
    policy.retries = 1
    policy.window = .seconds(60)
    #expect(policy.disables(crashedBefore: ages(500, 61, 60)) == nil)
    #expect(policy.disables(crashedBefore: ages(500, 60, 1)) == .failClosed)
  }

  @Test func retryNeverDisables() {
    var policy = CrashPolicy()
    policy.retries = 0
    policy.then = .retry
    #expect(policy.disables(crashedBefore: ages(1, 1, 1, 1)) == nil)
  }

  @Test func aPluginsOwnGoesBeforeTheStandard() {
    var policies = PluginPolicies()
    policies.standard.callBudget = .milliseconds(1)
    var own = PluginPolicy()
    own.callBudget = .milliseconds(2)
    policies.own["a"] = own
    #expect(policies["a"].callBudget == .milliseconds(2))
    #expect(policies["b"].callBudget == .milliseconds(1))
  }
}
