// Counters: summed over workers, kept under the same name, names without colons.
import Testing

@testable import DataPlane

@Suite struct StatRegistryTests {
  private func value(_ registry: StatRegistry, _ scope: StatValue.Scope, _ name: String) -> UInt64? {
    let found = registry.snapshot().filter { $0.scope == scope && $0.name == name }
    return found.count == 1 ? found[0].value : nil
  }

  @Test func sumsOverWorkers() {
    let registry = StatRegistry()
    let first = registry.counters(ListenerStat.self, scope: .listener("l"), worker: 0)
    let second = registry.counters(ListenerStat.self, scope: .listener("l"), worker: 1)
    first.add(.connectionTotal)
    first.add(.connectionTotal, 4)
    second.add(.connectionTotal, 10)
    // A gauge that goes up on one worker and down on another.
    first.subtract(.connectionActive)
    second.add(.connectionActive, 3)
    #expect(value(registry, .listener("l"), "downstream_cx_total") == 15)
    #expect(value(registry, .listener("l"), "downstream_cx_active") == 2)
    #expect(first[.connectionTotal] == 5)
    first.set(.connectionTotal, 1)
    #expect(value(registry, .listener("l"), "downstream_cx_total") == 11)
  }

  @Test func aScopeThatComesBackGoesOn() {
    let registry = StatRegistry()
    registry.counters(HTTPStat.self, scope: .http("p"), worker: 0).add(.requestTotal, 7)
    let again = registry.counters(HTTPStat.self, scope: .http("p"), worker: 0)
    again.add(.requestTotal)
    #expect(value(registry, .http("p"), "downstream_rq_total") == 8)
  }

  @Test func scopesAndSchemasAreApart() {
    let registry = StatRegistry()
    registry.counters(HTTPStat.self, scope: .http("a"), worker: 0).add(.requestTotal)
    registry.counters(HTTPStat.self, scope: .http("b"), worker: 0).add(.requestTotal, 2)
    #expect(value(registry, .http("a"), "downstream_rq_total") == 1)
    #expect(value(registry, .http("b"), "downstream_rq_total") == 2)
    #expect(registry.snapshot().count == 2 * HTTPStat.allCases.count)
  }

  @Test func colonsAreUnderscores() {
    let registry = StatRegistry()
    registry.counters(ListenerStat.self, scope: .listener("127.0.0.1:80"), worker: 0)
      .add(.connectionTotal)
    #expect(value(registry, .listener("127.0.0.1_80"), "downstream_cx_total") == 1)
    #expect("a:b::c".replacingColons == "a_b__c" && "abc".replacingColons == "abc")
  }

  @Test func namesAndKindsOfASchema() {
    for stat in HTTPStat.allCases {
      #expect(!stat.name.isEmpty)
      #expect((stat.kind == .gauge) == stat.name.hasSuffix("_active"), "\(stat.name)")
    }
    #expect(Set(HTTPStat.allCases.map(\.name)).count == HTTPStat.allCases.count)
    #expect(HTTPStat.allCases.map(\.rawValue) == Array(0..<HTTPStat.allCases.count))
    #expect(Set(ListenerStat.allCases.map(\.name)).count == ListenerStat.allCases.count)
  }

  @Test func sharedCountsHaveALimit() {
    let counts = SharedCounts()
    let count = counts.named("x")
    #expect(count.increment(limit: 2) && count.increment(limit: 2))
    #expect(!count.increment(limit: 2))
    #expect(counts.named("x").value == 2)
    count.decrement()
    #expect(count.increment(limit: 2))
    #expect(counts.named("y").value == 0)
    #expect(!counts.named("y").increment(limit: 0))
  }

  /// Endpoints come and go: their counts are forgotten with the last one who counts, and only then.
  @Test func whatIsReleasedIsForgotten() {
    let registry = StatRegistry()
    let scopes = (0..<5).map { StatValue.Scope.other("c|\($0)") }
    for scope in scopes {
      for worker in 0..<2 {
        registry.counters(EndpointStat.self, scope: scope, worker: worker).add(.requestTotal, 3)
      }
    }
    _ = registry.counters(EndpointStat.self, scope: scopes[1], worker: 0)
    for worker in 0..<2 {
      registry.release(EndpointStat.self, scope: scopes[0], worker: worker)
      registry.release(EndpointStat.self, scope: scopes[1], worker: worker)
    }
    #expect(scopes.map { value(registry, $0, "rq_total") } == [nil, 3, 6, 6, 6])
    registry.counters(EndpointStat.self, scope: scopes[4], worker: 1).add(.requestTotal)
    registry.release(EndpointStat.self, scope: scopes[1], worker: 0)
    #expect(scopes.map { value(registry, $0, "rq_total") } == [nil, nil, 6, 6, 7])
    registry.counters(EndpointStat.self, scope: scopes[0], worker: 0).add(.requestTotal)
    #expect(value(registry, scopes[0], "rq_total") == 1)
    // Nobody has it: nothing happens.
    registry.release(EndpointStat.self, scope: scopes[1], worker: 0)
    registry.release(HTTPStat.self, scope: scopes[2], worker: 0)
    #expect(value(registry, scopes[2], "rq_total") == 6)
  }

  @Test func sharedCountsThatNobodyHoldsAreForgotten() {
    let counts = SharedCounts()
    let held = counts.named("held")
    #expect(held.increment(limit: 9))
    for number in 0..<2000 { _ = counts.named("\(number)").increment(limit: 9) }
    #expect(counts.named("held") === held && held.value == 1)
    // Of those that were let go, the early ones are gone with their counts.
    #expect(counts.named("0").value == 0)
  }
}
