// Limits over workers: exact where counts are summed, and silent where nobody comes near.
import Model
import Synchronization
import Testing

@testable import DataPlane

@Suite struct CircuitBreakerTests {
  private func breakers(
    workers: Int, _ change: (inout CircuitBreakers.Thresholds) -> Void
  ) -> (CircuitBreakerBoard, [CircuitBreaker]) {
    var model = CircuitBreakers.Thresholds()
    change(&model)
    let board = CircuitBreakerBoard(workers: workers)
    return (
      board,
      (0..<workers).map { CircuitBreaker(model, priority: .normal, board: board, worker: $0) }
    )
  }

  @Test(arguments: [1, 2, 3, 8])
  func exactWhoeverAsks(_ workers: Int) {
    for limit: UInt32 in [0, 1, 2, 5, 7, 64, 1024] {
      var random = RandomSource(seed: UInt64(limit) + 1)
      let (board, all) = breakers(workers: workers) { $0.maxRequests = limit }
      var held = [Int](repeating: 0, count: workers)
      for _ in 0..<4_000 {
        let worker = Int(random.next(below: UInt64(workers)))
        let sum = held.reduce(0, +)
        if random.next(below: 5) < 2, held[worker] > 0 {
          all[worker].subtract(.requests)
          held[worker] -= 1
        } else {
          let allowed = all[worker].allows(.requests)
          #expect(allowed == (sum < Int(limit)), "\(workers) workers, limit \(limit), sum \(sum)")
          if allowed {
            all[worker].add(.requests)
            held[worker] += 1
          }
        }
        #expect(board.sum(.requests, .normal) == UInt64(held.reduce(0, +)))
      }
      for worker in 0..<workers { for _ in 0..<held[worker] { all[worker].subtract(.requests) } }
      #expect(board.over(.normal)[BreakerResource.requests.rawValue].load(ordering: .relaxed) == 0)
    }
  }

  @Test func retries() {
    let (_, all) = breakers(workers: 2) { $0.maxRetries = 3 }
    #expect((0..<5).map { all[$0 % 2].takeRetry() } == [true, true, true, false, false])
    all[0].subtract(.retries)
    #expect(all[1].takeRetry())
  }

  @Test func retryBudget() {
    let (_, all) = breakers(workers: 1) {
      $0.retryBudget = CircuitBreakers.RetryBudget()
      $0.maxRetries = 0
    }
    // Three at least, then a fifth of what is in flight.
    #expect((0..<4).map { _ in all[0].takeRetry() } == [true, true, true, false])
    for _ in 0..<20 { all[0].add(.requests) }
    #expect(all[0].takeRetry())
    #expect(!all[0].takeRetry())
    for _ in 0..<5 { all[0].add(.pending) }
    #expect(all[0].takeRetry())
  }

  @Test func gauges() {
    var cluster = Cluster(name: "a:b", endpoints: [])
    cluster.circuitBreakers.normal.maxConnections = 2
    cluster.circuitBreakers.normal.tracksRemaining = true
    let board = CircuitBreakerBoard(workers: 2)
    let breaker = CircuitBreaker(
      cluster.circuitBreakers.normal, priority: .normal, board: board, worker: 1)
    breaker.add(.connections)
    func value(_ name: String) -> UInt64? { board.gauges(cluster).first { $0.name == name }?.value }
    #expect(value("circuit_breakers.default.cx_open") == 0)
    #expect(value("circuit_breakers.default.remaining_cx") == 1)
    breaker.add(.connections)
    #expect(value("circuit_breakers.default.cx_open") == 1)
    #expect(value("circuit_breakers.default.remaining_cx") == 0)
    #expect(value("circuit_breakers.high.cx_open") == 0)
    #expect(value("circuit_breakers.high.remaining_cx") == nil)
    #expect(board.gauges(cluster).allSatisfy { $0.scope == .cluster("a_b") })
  }
}
