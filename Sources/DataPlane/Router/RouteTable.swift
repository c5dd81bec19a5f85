// Route tables as a worker uses them: built once from the model, then only read. Finding the
// virtual host is a lookup in hash tables whatever their number (exact domain, then the longest
// suffix, then the longest prefix, then `*`); within one, routes are tried in the order of the
// file, as Envoy promises.
import Model

final class RouteTable {
  let name: String
  private var exact: ByteTable
  private var suffixes: ByteTable
  private var suffixLengths: [Int] = []
  private var prefixes: ByteTable
  private var prefixLengths: [Int] = []
  private var catchAll: VirtualHostRuntime?
  private var hosts: [VirtualHostRuntime] = []
  /// What the header rules of all routes need to be recorded.
  private(set) var formatNeeds: FormatNeeds = []

  init(model: RouteConfiguration, context: WorkerContext, clusters: (String) -> ClusterRuntime?) {
    name = model.name
    exact = ByteTable()
    suffixes = ByteTable()
    prefixes = ByteTable()
    var suffixSet = Set<Int>()
    var prefixSet = Set<Int>()
    for virtualHost in model.virtualHosts {
      let runtime = VirtualHostRuntime(
        model: virtualHost, table: model, context: context, clusters: clusters)
      for route in runtime.routes { formatNeeds.formUnion(route.headerRules?.needs ?? []) }
      let index = hosts.count
      hosts.append(runtime)
      for domain in virtualHost.domains {
        let text = Array(domain.utf8)
        if domain == "*" {
          catchAll = runtime
        } else if text.first == UInt8(ascii: "*") {
          suffixes.insert(Array(text.dropFirst()), index)
          suffixSet.insert(text.count - 1)
        } else if text.last == UInt8(ascii: "*") {
          prefixes.insert(Array(text.dropLast()), index)
          prefixSet.insert(text.count - 1)
        } else {
          exact.insert(text, index)
        }
      }
    }
    suffixLengths = suffixSet.sorted(by: >)
    prefixLengths = prefixSet.sorted(by: >)
  }

  /// The virtual host for an authority, which may carry a port. Case is ignored. Nil: none.
  func virtualHost(for authority: ByteView) -> VirtualHostRuntime? {
    if exact.isEmpty && suffixLengths.isEmpty && prefixLengths.isEmpty { return catchAll }
    // Longer names than DNS allows match nothing but `*`.
    if authority.count > 512 { return catchAll }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 512) { lower in
      for index in 0..<authority.count { lower[index] = asciiLowercase(authority[index]) }
      guard let base = lower.baseAddress else { return catchAll }
      let host = ByteView(base, authority.count)
      if let found = exact.find(host) { return hosts[found] }
      // Something must stand for the star: a suffix or prefix as long as the host is no match.
      for length in suffixLengths where length < host.count {
        if let found = suffixes.find(host.dropFirst(host.count - length)) { return hosts[found] }
      }
      for length in prefixLengths where length < host.count {
        if let found = prefixes.find(host.prefix(length)) { return hosts[found] }
      }
      return catchAll
    }
  }
}

final class VirtualHostRuntime {
  let name: String
  let nameText: OwnedText
  let routes: [RouteRuntime]

  init(
    model: VirtualHost, table: RouteConfiguration, context: WorkerContext,
    clusters: (String) -> ClusterRuntime?
  ) {
    name = model.name
    nameText = OwnedText(model.name)
    routes = model.routes.map {
      RouteRuntime(
        model: $0, outer: [model.headerRules, table.headerRules],
        mostSpecificWins: table.mostSpecificHeaderMutationsWins, context: context, clusters: clusters)
    }
  }

  @inline(__always)
  func route(for head: MessageHead) -> RouteRuntime? {
    // The query takes no part in matching.
    let path = head.path
    let end = path.firstIndex(of: UInt8(ascii: "?")) ?? path.count
    let bare = path.prefix(end)
    for route in routes where route.matches(head, path: bare) { return route }
    return nil
  }
}

/// A hash table from byte strings to numbers, read without making a `String`.
struct ByteTable {
  private var buckets: [[(key: [UInt8], value: Int)]] = Array(repeating: [], count: 16)
  private var count = 0

  var isEmpty: Bool { count == 0 }

  private static func hash(_ view: ByteView) -> UInt64 {
    var hash: UInt64 = 14_695_981_039_346_656_037
    for index in 0..<view.count { hash = (hash ^ UInt64(view[index])) &* 1_099_511_628_211 }
    return hash ^ (hash >> 29)
  }

  mutating func insert(_ key: [UInt8], _ value: Int) {
    count += 1
    if count > buckets.count {
      let all = buckets.flatMap { $0 }
      buckets = Array(repeating: [], count: buckets.count * 4)
      for entry in all { place(entry.key, entry.value) }
    }
    place(key, value)
  }

  private mutating func place(_ key: [UInt8], _ value: Int) {
    let hash = key.withUnsafeBufferPointer {
      ByteTable.hash(ByteView($0.baseAddress ?? MessageHead.empty.base, key.count))
    }
    buckets[Int(hash % UInt64(buckets.count))].append((key, value))
  }

  func find(_ key: ByteView) -> Int? {
    for entry in buckets[Int(ByteTable.hash(key) % UInt64(buckets.count))] where key == entry.key {
      return entry.value
    }
    return nil
  }
}
