// A count that all workers share, for limits that hold for the whole process. Touched once a
// connection, never once a request.
import Model
import Synchronization

final class SharedCount: Sendable {
  private let count = Atomic<UInt64>(0)

  /// Adds one unless that would exceed `limit`; false then.
  func increment(limit: UInt64) -> Bool {
    if count.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return true }
    count.wrappingSubtract(1, ordering: .relaxed)
    return false
  }

  func decrement() { count.wrappingSubtract(1, ordering: .relaxed) }

  var value: UInt64 { count.load(ordering: .relaxed) }
}

/// Shared counts by name: the same name is the same count for every worker and configuration.
final class SharedCounts: Sendable {
  private struct State {
    var counts: [String: SharedCount] = [:]
    /// As many as there may be before those that nobody holds any more are forgotten.
    var sweepAt = 256
  }
  private let state = Locked(State())

  func named(_ name: String) -> SharedCount {
    state.withLock { state in
      if let count = state.counts[name] { return count }
      if state.counts.count >= state.sweepAt { SharedCounts.sweep(&state) }
      let count = SharedCount()
      state.counts[name] = count
      return count
    }
  }

  /// Whoever counts holds his count: what the table alone holds is 0.
  private static func sweep(_ state: inout State) {
    for name in Array(state.counts.keys) {
      var count = state.counts.removeValue(forKey: name)
      if !isKnownUniquelyReferenced(&count) { state.counts[name] = count }
    }
    state.sweepAt = Swift.max(256, state.counts.count * 2)
  }
}
