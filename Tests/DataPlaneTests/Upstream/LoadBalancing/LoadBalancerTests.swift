// Who is chosen how often: policies over endpoints with weights and requests in flight. Random
// choices are compared with bounds of chi-square, from a fixed seed.
import Model
import Testing

@testable import DataPlane

@Suite struct LoadBalancerTests {
  private let context: WorkerContext

  init() throws {
    context = try testContext()
    context.random = RandomSource(seed: 42)
  }

  private func cluster(
    _ weights: [UInt32], _ change: (inout LoadBalancing) -> Void = { _ in }
  ) -> ClusterRuntime {
    var model = Cluster(
      name: "c",
      endpoints: weights.enumerated().map { index, weight in
        var endpoint = Endpoint(address: .ip(IPAddress(v4: 0x7f00_0001), port: UInt16(index + 1)))
        endpoint.weight = weight
        return endpoint
      })
    change(&model.loadBalancing)
    return ClusterRuntime(model: model, context: context)
  }

  private func counts(_ cluster: ClusterRuntime, _ picks: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: cluster.endpoints.count)
    for _ in 0..<picks {
      guard let endpoint = cluster.pick(), case .ip(_, let port) = endpoint.model.address else { continue }
      counts[Int(port) - 1] += 1
    }
    return counts
  }

  /// The sum of squared deviations over expectations: above 30 with up to 7 degrees of freedom is a
  /// chance of one in ten thousand.
  private func chiSquare(_ counts: [Int], _ shares: [Double]) -> Double {
    let total = Double(counts.reduce(0, +))
    return zip(counts, shares).reduce(0) { sum, pair in
      let expected = total * pair.1
      return sum + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
    }
  }

  @Test func randomIsEvenWhateverTheWeights() {
    for weights: [UInt32] in [[1, 1, 1, 1], [100, 1, 1, 1]] {
      let counts = counts(cluster(weights) { $0.policy = .random }, 40_000)
      #expect(chiSquare(counts, [0.25, 0.25, 0.25, 0.25]) < 30, "\(counts)")
    }
  }

  @Test func leastRequestIsEvenWhereAllAreIdle() {
    for scansAll in [false, true] {
      var options = LeastRequest()
      options.scansAll = scansAll
      let counts = counts(cluster([1, 1, 1, 1]) { $0.policy = .leastRequest(options) }, 40_000)
      #expect(chiSquare(counts, [0.25, 0.25, 0.25, 0.25]) < 30, "\(counts)")
    }
  }

  @Test func twoChoices() {
    let cluster = cluster([1, 1, 1, 1]) { $0.policy = .leastRequest(LeastRequest()) }
    cluster.endpoints[2].counters.add(.requestActive, 5)
    // The busy one is taken only where both draws are it.
    let counts = counts(cluster, 32_000)
    #expect(chiSquare(counts, [5.0 / 16, 5.0 / 16, 1.0 / 16, 5.0 / 16]) < 30, "\(counts)")
  }

  @Test func scanFindsTheLeast() {
    var options = LeastRequest()
    options.scansAll = true
    let cluster = cluster([1, 1, 1]) { $0.policy = .leastRequest(options) }
    cluster.endpoints[0].counters.add(.requestActive, 2)
    cluster.endpoints[1].counters.add(.requestActive, 1)
    #expect(counts(cluster, 100) == [0, 0, 100])
  }

  @Test func weightsAndRequestsInFlight() {
    let cluster = cluster([4, 1]) { $0.policy = .leastRequest(LeastRequest()) }
    #expect(counts(cluster, 500) == [400, 100])
    cluster.endpoints[0].counters.add(.requestActive, 3)
    // A weight of 4 over four requests is a weight of 1.
    let after = counts(cluster, 1000)
    #expect(abs(after[0] - 500) <= 5, "\(after)")
  }

  @Test(arguments: [(0.0, 800), (1.0, 500), (2.0, 200)])
  func bias(_ bias: Double, _ first: Int) {
    var options = LeastRequest()
    options.activeRequestBias = bias
    let cluster = cluster([4, 1]) { $0.policy = .leastRequest(options) }
    cluster.endpoints[0].counters.add(.requestActive, 3)
    let counts = counts(cluster, 1000)
    #expect(abs(counts[0] - first) <= 10, "\(counts)")
  }

  @Test func slowStart() {
    let ramp = SlowStartRamp(SlowStart(window: .seconds(10)))
    #expect(ramp.factor(age: 0) == 0.1)
    #expect(abs(ramp.factor(age: 5_000_000_000) - 0.5) < 1e-9)
    #expect(ramp.factor(age: 10_000_000_000) == 1)
    var model = SlowStart(window: .seconds(10))
    model.aggression = 2
    model.minimumWeight = 0
    #expect(abs(SlowStartRamp(model).factor(age: 2_500_000_000) - 0.5) < 1e-9)
    let cluster = cluster([1, 1]) { $0.slowStart = SlowStart(window: .seconds(10)) }
    #expect(counts(cluster, 100) == [50, 50])
  }

  @Test func scheduleIsExactAndFair() {
    var schedule = WeightedSchedule(weights: [3, 1], skip: 0)
    var counts = [0, 0]
    for _ in 0..<400 {
      let next = schedule.next
      counts[next] += 1
      schedule.took(weight: next == 0 ? 3 : 1)
    }
    #expect(counts == [300, 100])
  }

  @Test func endpointsThatStayKeepTheirState() {
    let cluster = cluster([1, 1, 1])
    let before = cluster.endpoints
    var models = before.map(\.model)
    models.removeFirst()
    models.append(Endpoint(address: .ip(IPAddress(v4: 0x7f00_0001), port: 9)))
    cluster.setEndpoints(models)
    #expect(cluster.endpoints[0] === before[1])
    #expect(cluster.endpoints[1] === before[2])
    #expect(before[0].isRetired)
    #expect(!before[1].isRetired)
    #expect(cluster.counters[.membershipTotal] == 3)
    #expect(cluster.counters[.membershipChange] == 2)
    cluster.setEndpoints(models)
    #expect(cluster.counters[.membershipChange] == 2)
    cluster.setEndpoints([])
    #expect(cluster.pick() == nil)
    #expect(cluster.counters[.connectionNoneHealthy] == 1)
  }

  @Test func originalDestinationHeaders() {
    func parse(_ text: String) -> SocketAddress? {
      Array(text.utf8).withUnsafeBufferPointer { SocketAddress(ByteView($0.baseAddress!, $0.count)) }
    }
    #expect(parse("127.0.0.1:80") == .ip(IPAddress(v4: 0x7f00_0001), port: 80))
    #expect(parse("[::1]:65535") == .ip(IPAddress(v6High: 0, low: 1), port: 65_535))
    for wrong in [
      "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "[127.0.0.1]:80",
      "[::1]80", "a:80", "127.0.0.1:8a", "127.0.0.1:000080",
    ] { #expect(parse(wrong) == nil, "\(wrong)") }
  }
}
