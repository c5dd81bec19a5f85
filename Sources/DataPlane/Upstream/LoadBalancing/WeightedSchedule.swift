// Turns by weights that change between turns (slow start, least request with weights): earliest
// deadline first over a heap. Who has had its turn is due again `1 / weight` later, by the weight
// that it has at that moment. O(log n) a turn, no allocation.
//
// `RoundRobin` is the exact relative for weights that stay as they are.

struct WeightedSchedule {
  private struct Due {
    var deadline: Double
    var order: UInt64
    var index: Int
  }
  private var heap: [Due] = []
  private var sequence: UInt64 = 0

  /// `weights` are more than 0. `skip` turns are taken at once, so that workers do not march in
  /// step.
  init(weights: [Double], skip: Int) {
    heap.reserveCapacity(weights.count)
    for (index, weight) in weights.enumerated() {
      heap.append(Due(deadline: 1 / weight, order: UInt64(index), index: index))
    }
    sequence = UInt64(weights.count)
    for parent in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(from: parent) }
    guard !weights.isEmpty else { return }
    for _ in 0..<skip % weights.count { took(weight: weights[next]) }
  }

  /// Whose turn it is.
  @inline(__always)
  var next: Int { heap[0].index }

  /// `next` has had its turn.
  @inline(__always)
  mutating func took(weight: Double) {
    heap[0].deadline += 1 / weight
    heap[0].order = sequence
    sequence &+= 1
    siftDown(from: 0)
    // Long before a deadline is so large that a step is lost in it, all begin again near zero.
    if heap[0].deadline > 0x1p40 { rebase() }
  }

  private mutating func rebase() {
    let base = heap[0].deadline
    for index in heap.indices { heap[index].deadline -= base }
  }

  private func before(_ a: Int, _ b: Int) -> Bool {
    heap[a].deadline != heap[b].deadline
      ? heap[a].deadline < heap[b].deadline : heap[a].order < heap[b].order
  }

  private mutating func siftDown(from start: Int) {
    var parent = start
    while true {
      var least = parent
      let left = 2 * parent + 1
      let right = left + 1
      if left < heap.count, before(left, least) { least = left }
      if right < heap.count, before(right, least) { least = right }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
