// The buckets of a descriptor with wildcards: one for each list of values that requests have had, the least
// recently used given up first. Under a lock, which is held for one look-up: only requests that match such a
// descriptor come here.
import MartletSDK
import Synchronization

final class DynamicBuckets: Sendable {
  private let rate: FillRate
  private let isShadow: Bool
  private let limit: Int
  private let state: Mutex<State>

  fileprivate struct Node {
    var hash: UInt64
    /// The values, each behind its length.
    var values: [UInt8]
    var bucket: TokenBucket
    /// Used more recently, less recently; -1: none.
    var newer = -1
    var older = -1
    /// Another of the same hash; -1: none.
    var next = -1
  }

  fileprivate struct State {
    var nodes: [Node] = []
    /// The first of each hash.
    var places: [UInt64: Int] = [:]
    var newest = -1
    var oldest = -1
  }

  /// `limit`: how many there may be, 1 or more.
  init(_ rate: FillRate, isShadow: Bool, limit: Int) {
    self.rate = rate
    self.isShadow = isShadow
    self.limit = limit
    state = Mutex(State())
  }

  /// The bucket of a descriptor that matches the pattern; made where there is none. Any thread.
  func bucket(_ descriptor: RequestDescriptor, _ hash: UInt64, now: UInt64) -> TokenBucket {
    state.withLock { state in
      var place = state.places[hash] ?? -1
      while place >= 0 {
        if Self.isSame(state.nodes[place].values, descriptor) {
          state.use(place)
          return state.nodes[place].bucket
        }
        place = state.nodes[place].next
      }
      let bucket = TokenBucket(rate, isShadow: isShadow, now: now)
      let node = Node(hash: hash, values: Self.values(descriptor), bucket: bucket)
      state.add(node, limit)
      return bucket
    }
  }

  var count: Int { state.withLock { $0.nodes.count } }

  private static func values(_ descriptor: RequestDescriptor) -> [UInt8] {
    var all: [UInt8] = []
    for index in 0..<descriptor.count {
      let value = descriptor.value(index)
      withUnsafeBytes(of: UInt64(value.count)) { all.append(contentsOf: $0) }
      all.append(contentsOf: [UInt8](value))
    }
    return all
  }

  private static func isSame(_ values: [UInt8], _ descriptor: RequestDescriptor) -> Bool {
    values.withUnsafeBytes { kept in
      var offset = 0
      for index in 0..<descriptor.count {
        let value = descriptor.value(index)
        guard offset + 8 + value.count <= kept.count,
          kept.loadUnaligned(fromByteOffset: offset, as: UInt64.self) == UInt64(value.count)
        else { return false }
        offset += 8
        for place in 0..<value.count where kept[offset + place] != value[place] { return false }
        offset += value.count
      }
      return offset == kept.count
    }
  }
}

extension DynamicBuckets.State {
  /// Nothing has been used more recently.
  mutating func use(_ place: Int) {
    if newest == place { return }
    unlink(place)
    linkNewest(place)
  }

  /// In the place of the least recently used, where there are `limit` already.
  mutating func add(_ node: DynamicBuckets.Node, _ limit: Int) {
    var place = nodes.count
    if place < limit {
      nodes.append(node)
    } else {
      place = oldest
      unlink(place)
      forget(place)
      nodes[place] = node
    }
    nodes[place].next = places[node.hash] ?? -1
    places[node.hash] = place
    linkNewest(place)
  }

  private mutating func linkNewest(_ place: Int) {
    nodes[place].newer = -1
    nodes[place].older = newest
    if newest >= 0 { nodes[newest].newer = place } else { oldest = place }
    newest = place
  }

  private mutating func unlink(_ place: Int) {
    let (newer, older) = (nodes[place].newer, nodes[place].older)
    if newer >= 0 { nodes[newer].older = older } else { newest = older }
    if older >= 0 { nodes[older].newer = newer } else { oldest = newer }
  }

  /// Takes it out of the list of its hash.
  private mutating func forget(_ place: Int) {
    let hash = nodes[place].hash
    if places[hash] == place {
      places[hash] = nodes[place].next >= 0 ? nodes[place].next : nil
      return
    }
    var before = places[hash] ?? -1
    while before >= 0, nodes[before].next != place { before = nodes[before].next }
    if before >= 0 { nodes[before].next = nodes[place].next }
  }
}
