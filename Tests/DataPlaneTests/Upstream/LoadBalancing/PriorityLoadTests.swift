// How load is divided over priorities: the arithmetic, with Envoy's own examples among the cases.
import Testing

@testable import DataPlane

@Suite struct PriorityLoadTests {
  /// (total, healthy, degraded, excluded) for each priority.
  private func load(
    _ priorities: [(Int, Int, Int, Int)], factor: UInt32 = 140, threshold: UInt32 = 50
  ) -> PriorityLoad {
    PriorityLoad(
      priorities.map {
        var census = PriorityLoad.Census()
        (census.total, census.healthy, census.degraded, census.excluded) = $0
        census.totalWeight = UInt64($0.0)
        census.healthyWeight = UInt64($0.1)
        census.degradedWeight = UInt64($0.2)
        census.excludedWeight = UInt64($0.3)
        return census
      }, overprovisioning: factor, panicThreshold: threshold, byWeight: false)
  }

  @Test func nobody() {
    #expect(load([]).healthy == [])
    #expect(load([(0, 0, 0, 0)]).healthy == [100])
    #expect(load([(0, 0, 0, 0)]).panics == [true])
    #expect(load([(0, 0, 0, 0)], threshold: 0).healthy == [100])
  }

  @Test(arguments: [
    (100, 100, 0), (72, 100, 0), (71, 99, 1), (50, 70, 30), (25, 35, 65), (0, 0, 100),
  ])
  func spilling(_ healthy: Int, _ first: UInt32, _ second: UInt32) {
    let load = load([(100, healthy, 0, 0), (100, 100, 0, 0)])
    #expect(load.healthy == [first, second])
    #expect(load.panics == [false, false])
  }

  @Test func bothSick() {
    // 35 and 35: together 70, so that each takes half, and rounding goes to the first.
    let load = load([(100, 25, 0, 0), (100, 25, 0, 0)], threshold: 0)
    #expect(load.healthy == [50, 50])
    let thirds = self.load([(10, 1, 0, 0), (10, 1, 0, 0), (10, 1, 0, 0)], threshold: 0)
    #expect(thirds.healthy.reduce(0, +) == 100)
    #expect(thirds.healthy == [34, 33, 33])
  }

  @Test func degradedTakeWhatIsLeft() {
    let load = load([(100, 50, 50, 0)])
    #expect(load.healthy == [70])
    #expect(load.degraded == [30])
    #expect(self.load([(3, 0, 2, 0)], threshold: 0).degraded == [100])
  }

  @Test func drainingDoNotCount() {
    let load = load([(3, 1, 0, 2)])
    #expect(load.healthy == [100])
    #expect(load.panics == [false])
  }

  @Test func panic() {
    #expect(load([(100, 34, 0, 0)]).panics == [true])
    #expect(load([(100, 34, 0, 0)], threshold: 30).panics == [false])
    #expect(load([(100, 34, 0, 0)], threshold: 0).panics == [false])
    // Together fully available: nobody panics, however sick one is.
    #expect(load([(100, 1, 0, 0), (100, 100, 0, 0)]).panics == [false, false])
    let total = load([(10, 0, 0, 0), (30, 1, 0, 0)])
    #expect(total.panics == [true, true])
    #expect(total.healthy == [25, 75])
  }

  @Test func always100() {
    var random = RandomSource(seed: 7)
    for _ in 0..<5_000 {
      let count = Int(random.next(below: 4)) + 1
      let priorities = (0..<count).map { _ in
        let healthy = Int(random.next(below: 6))
        let degraded = Int(random.next(below: 4))
        let excluded = Int(random.next(below: 3))
        return (healthy + degraded + excluded + Int(random.next(below: 5)), healthy, degraded, excluded)
      }
      let load = load(priorities, threshold: UInt32(random.next(below: 101)))
      #expect(load.healthy.reduce(0, +) + load.degraded.reduce(0, +) == 100, "\(priorities)")
    }
  }
}
