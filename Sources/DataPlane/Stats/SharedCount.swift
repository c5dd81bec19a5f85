// A count that all workers share, for limits that hold for the whole process. Touched once a
// connection, never once a request.
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
  private let counts = Locked<[String: SharedCount]>([:])

  func named(_ name: String) -> SharedCount {
    counts.withLock { counts in
      if let count = counts[name] { return count }
      let count = SharedCount()
      counts[name] = count
      return count
    }
  }
}
