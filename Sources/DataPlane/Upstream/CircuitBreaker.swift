// Circuit breakers: limits on what a cluster is asked for, over all workers.
//
// Each worker counts for itself, in words that the others may read. Most of the time nobody comes
// near a limit, and then nothing shared is touched: while no worker has its share of a limit
// (limit / workers), the sum cannot have reached it. Who reaches its share says so in a word that
// all read and hardly ever anybody writes; while it is not zero, the counts are summed.
//
//     own count < share and nobody over his   ->  allowed, one load of a quiet cache line
//     else                                    ->  the sum is compared
//
// Two workers that ask at the same moment can both be allowed the last place, as in Envoy. A shared
// count for each resource was rejected: two atomic operations a request on a line that all cores
// write.
//
// Threading: the board is shared; each `CircuitBreaker` belongs to its worker.
import Model
import Synchronization

enum BreakerResource: Int, CaseIterable { case connections, pending, requests, retries, pools }

/// The words of one cluster. For each priority a line of "who is over his share", then a line of
/// counts for each worker.
final class CircuitBreakerBoard: @unchecked Sendable {
  private static let lineWords = 8
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  let workers: Int

  init(workers: Int) {
    self.workers = workers
    let count = RoutingPriority.allCases.count * (workers + 1) * CircuitBreakerBoard.lineWords
    let bytes = count * MemoryLayout<UInt64>.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
  }

  deinit { UnsafeMutableRawPointer(words).deallocate() }

  func over(_ priority: RoutingPriority) -> UnsafeMutablePointer<Atomic<UInt64>> {
    words + priority.rawValue * (workers + 1) * CircuitBreakerBoard.lineWords
  }

  func counts(
    _ priority: RoutingPriority, worker: Int
  ) -> UnsafeMutablePointer<Atomic<UInt64>> {
    over(priority) + (worker + 1) * CircuitBreakerBoard.lineWords
  }

  func sum(_ resource: BreakerResource, _ priority: RoutingPriority) -> UInt64 {
    var sum: UInt64 = 0
    for worker in 0..<workers {
      sum &+= counts(priority, worker: worker)[resource.rawValue].load(ordering: .relaxed)
    }
    return sum
  }
}

/// Boards by cluster: a cluster whose limits have changed counts anew, as in Envoy.
final class CircuitBreakerBoards: Sendable {
  private struct Key: Hashable {
    let name: String
    let limits: CircuitBreakers
  }
  private let workers: Int
  private let boards = Locked<[Key: CircuitBreakerBoard]>([:])

  init(workers: Int) { self.workers = workers }

  func board(of cluster: Cluster) -> CircuitBreakerBoard {
    boards.withLock { boards in
      let key = Key(name: cluster.name, limits: cluster.circuitBreakers)
      if let board = boards[key] { return board }
      let board = CircuitBreakerBoard(workers: workers)
      boards[key] = board
      return board
    }
  }
}

/// The limits of one priority of one cluster on one worker.
final class CircuitBreaker {
  private let board: CircuitBreakerBoard
  private let priority: RoutingPriority
  private let own: UnsafeMutablePointer<Atomic<UInt64>>
  private let over: UnsafeMutablePointer<Atomic<UInt64>>
  private let limits: UnsafeMutablePointer<UInt64>
  private let shares: UnsafeMutablePointer<UInt64>
  private let budget: CircuitBreakers.RetryBudget?

  init(
    _ model: CircuitBreakers.Thresholds, priority: RoutingPriority, board: CircuitBreakerBoard,
    worker: Int
  ) {
    self.board = board
    self.priority = priority
    own = board.counts(priority, worker: worker)
    over = board.over(priority)
    budget = model.retryBudget
    let count = BreakerResource.allCases.count
    limits = .allocate(capacity: count)
    shares = .allocate(capacity: count)
    for resource in BreakerResource.allCases {
      let limit = model.limit(of: resource)
      (limits + resource.rawValue).initialize(to: limit)
      (shares + resource.rawValue).initialize(to: limit / UInt64(board.workers))
    }
  }

  deinit {
    limits.deallocate()
    shares.deallocate()
  }

  /// Whether one more would be within the limit.
  @inline(__always)
  func allows(_ resource: BreakerResource) -> Bool {
    let index = resource.rawValue
    if own[index].load(ordering: .relaxed) < shares[index],
      over[index].load(ordering: .relaxed) == 0
    {
      return true
    }
    return sumAllows(resource)
  }

  @inline(never)
  private func sumAllows(_ resource: BreakerResource) -> Bool {
    board.sum(resource, priority) < limits[resource.rawValue]
  }

  @inline(__always)
  func add(_ resource: BreakerResource) {
    let word = own + resource.rawValue
    let count = word.pointee.load(ordering: .relaxed) &+ 1
    word.pointee.store(count, ordering: .relaxed)
    if count == shares[resource.rawValue] {
      over[resource.rawValue].wrappingAdd(1, ordering: .relaxed)
    }
  }

  @inline(__always)
  func subtract(_ resource: BreakerResource) {
    let word = own + resource.rawValue
    let count = word.pointee.load(ordering: .relaxed)
    word.pointee.store(count &- 1, ordering: .relaxed)
    if count == shares[resource.rawValue] {
      over[resource.rawValue].wrappingSubtract(1, ordering: .relaxed)
    }
  }

  /// Begins a retry, if there may be one more. `subtract(.retries)` ends it.
  func takeRetry() -> Bool {
    if let budget {
      let inFlight = board.sum(.requests, priority) &+ board.sum(.pending, priority)
      let limit = budget.limit(requestsInFlight: inFlight)
      guard board.sum(.retries, priority) < limit else { return false }
    } else if !allows(.retries) {
      return false
    }
    add(.retries)
    return true
  }
}

extension CircuitBreakers.Thresholds {
  func limit(of resource: BreakerResource) -> UInt64 {
    switch resource {
    case .connections: UInt64(maxConnections)
    case .pending: UInt64(maxPendingRequests)
    case .requests: UInt64(maxRequests)
    case .retries: UInt64(maxRetries)
    case .pools: maxConnectionPools.map(UInt64.init) ?? .max
    }
  }
}

extension CircuitBreakers.RetryBudget {
  func limit(requestsInFlight: UInt64) -> UInt64 {
    Swift.max(UInt64(percent / 100 * Double(requestsInFlight)), UInt64(minConcurrency))
  }
}

/// The gauges of a cluster's breakers, computed when somebody asks.
extension CircuitBreakerBoard {
  func gauges(_ cluster: Cluster) -> [StatValue] {
    RoutingPriority.allCases.flatMap { gauges(cluster, $0) }
  }

  private func gauges(_ cluster: Cluster, _ priority: RoutingPriority) -> [StatValue] {
    let model = cluster.circuitBreakers[priority]
    let prefix = "circuit_breakers.\(priority == .high ? "high" : "default")."
    var values: [StatValue] = []
    func add(_ name: String, _ value: UInt64) {
      values.append(
        StatValue(
          scope: .cluster(cluster.statName).sanitized, name: prefix + name, kind: .gauge,
          value: value))
    }
    for resource in BreakerResource.allCases {
      let used = sum(resource, priority)
      var limit = model.limit(of: resource)
      if resource == .retries, let budget = model.retryBudget {
        limit = budget.limit(
          requestsInFlight: sum(.requests, priority) &+ sum(.pending, priority))
      }
      add(resource.openName, used >= limit ? 1 : 0)
      if model.tracksRemaining { add(resource.remainingName, limit > used ? limit - used : 0) }
    }
    return values
  }
}

extension BreakerResource {
  fileprivate var openName: String {
    switch self {
    case .connections: "cx_open"
    case .pending: "rq_pending_open"
    case .requests: "rq_open"
    case .retries: "rq_retry_open"
    case .pools: "cx_pool_open"
    }
  }
  fileprivate var remainingName: String {
    switch self {
    case .connections: "remaining_cx"
    case .pending: "remaining_pending"
    case .requests: "remaining_rq"
    case .retries: "remaining_retries"
    case .pools: "remaining_cx_pools"
    }
  }
}
