// Weighted round robin over endpoints. Equal weights are a cursor. Unequal ones are scheduled by
// earliest deadline first: each endpoint is due again `1 / weight` after its last turn, so that
// over any `sum of weights` picks each gets exactly its share, interleaved, at O(log n) a pick.

struct RoundRobin {
  private struct Due {
    /// Virtual time: a cycle of `sum of weights` picks is 2^48 of it.
    var deadline: UInt64
    var order: UInt64
    var index: Int
  }
  private let count: Int
  private var cursor: Int
  private let steps: [UInt64]
  private var heap: [Due] = []
  private var sequence: UInt64 = 0
  private let total: UInt64
  /// Picks of the present cycle.
  private var picked: UInt64 = 0

  /// `weights` are 1...; `seed` spreads where workers start, so that they do not march in step.
  init(weights: [UInt32], seed: UInt64) {
    count = weights.count
    total = weights.reduce(0) { $0 + UInt64($1) }
    cursor = count == 0 ? 0 : Int(seed % UInt64(count))
    if Set(weights).count <= 1 {
      steps = []
    } else {
      steps = weights.map { (1 << 48) / UInt64($0) }
      startCycle()
    }
  }

  /// Every cycle begins alike: the remainders of the divisions cannot add up, and no deadline wraps.
  private mutating func startCycle() {
    heap.removeAll(keepingCapacity: true)
    for (index, step) in steps.enumerated() {
      push(Due(deadline: step, order: UInt64(index), index: index))
    }
    sequence = UInt64(count)
    picked = 0
  }

  /// The next endpoint's index. Nil when there is none.
  @inline(__always)
  mutating func next() -> Int? {
    if count == 0 { return nil }
    if steps.isEmpty {
      cursor = cursor &+ 1 == count ? 0 : cursor &+ 1
      return cursor
    }
    return nextByDeadline()
  }

  private mutating func nextByDeadline() -> Int {
    var top = heap[0]
    let index = top.index
    top.deadline &+= steps[index]
    top.order = sequence
    sequence &+= 1
    heap[0] = top
    siftDown()
    picked &+= 1
    if picked == total { startCycle() }
    return index
  }

  private static func before(_ a: Due, _ b: Due) -> Bool {
    a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order
  }

  private mutating func push(_ due: Due) {
    heap.append(due)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if !RoundRobin.before(heap[child], heap[parent]) { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func siftDown() {
    var parent = 0
    while true {
      var least = parent
      let left = 2 * parent + 1
      let right = left + 1
      if left < heap.count, RoundRobin.before(heap[left], heap[least]) { least = left }
      if right < heap.count, RoundRobin.before(heap[right], heap[least]) { least = right }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
