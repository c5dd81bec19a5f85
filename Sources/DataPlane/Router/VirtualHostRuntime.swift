// The routes of a virtual host, and which of them takes a request: the first of the file that
// matches, found without asking those that cannot.
//
// Paths, prefixes and separated prefixes lie in radix trees (one for those that mind case, one for
// those that do not). A walk along the request's path meets all that fit it; of these and of the
// others (regular expressions, templates), the one with the smallest index whose conditions hold
// is the route. What has a larger index than one that was found already is not looked at, and within
// one text the indexes ascend, so that the first that holds ends its list.
//
// A few routes are tried one after the other: the trees would cost more than they save.
import Model

final class VirtualHostRuntime {
  let name: String
  private let requireTLS: VirtualHost.TLSRequirement
  private let internalHeader: HeaderID
  let nameText: OwnedText
  let metadata: MetadataTree?
  /// Nil: there are none.
  let rateLimits: RateLimitRules?
  /// Nil: none are configured.
  let virtualClusters: VirtualClusters?
  /// A route wants to see what filters have stored.
  let asksForStored: Bool
  /// What the header rules of the routes need to be recorded.
  let formatNeeds: FormatNeeds
  private let owned: [RouteRuntime]
  /// The same, without reference counting.
  private let routes: UnsafeMutablePointer<Unmanaged<RouteRuntime>>
  private let index: Index?
  private let ignoresPathParameters: Bool
  private unowned(unsafe) let context: WorkerContext

  /// Routes below which trying them in turn is cheaper.
  private static let fewRoutes = 8

  private struct Index {
    var sensitive: RadixTree?
    var folded: RadixTree?
    /// Routes that lie in no tree, ascending.
    var others: [Int32] = []
  }

  init(
    model: VirtualHost, ignorePathParameters: Bool = false,
    table: RouteConfiguration = RouteConfiguration(virtualHosts: []), context: WorkerContext,
    clusters: (String) -> ClusterRuntime?
  ) {
    name = model.name
    nameText = OwnedText(model.name)
    metadata = MetadataTree(model.metadata)
    requireTLS = model.requireTLS
    internalHeader = context.names.intern(Array("x-envoy-internal".utf8)) ?? .unknown
    self.context = context
    ignoresPathParameters = ignorePathParameters
    rateLimits = RateLimitRules(model.rateLimits, context)
    virtualClusters = VirtualClusters(model, context: context)
    let mirrors = model.mirrors ?? table.mirrors
    owned = model.routes.map {
      RouteRuntime(
        model: $0, host: model.name, mirrors: mirrors, outer: [model.headerRules, table.headerRules],
        mostSpecificWins: table.mostSpecificHeaderMutationsWins, context: context, clusters: clusters)
    }
    asksForStored = owned.contains { $0.asksForStored }
    formatNeeds = owned.reduce([]) { $0.union($1.formatNeeds) }
    routes = .allocate(capacity: Swift.max(owned.count, 1))
    for (index, route) in owned.enumerated() {
      (routes + index).initialize(to: .passUnretained(route))
    }
    index = owned.count > VirtualHostRuntime.fewRoutes ? VirtualHostRuntime.index(owned) : nil
  }

  func compileFilters(_ model: VirtualHost, outer: RouteFilters, chain: [String]) {
    for (route, own) in zip(owned, model.routes) {
      route.compileFilters(own, outer: [model.filters, outer], chain: chain)
    }
  }

  deinit { routes.deallocate() }

  private static func index(_ routes: [RouteRuntime]) -> Index {
    var sensitive = RadixTree.Builder(folds: false)
    var folded = RadixTree.Builder(folds: true)
    var index = Index()
    for (number, route) in routes.enumerated() {
      let number = Int32(number)
      guard let (text, kind, ignoresCase) = route.path.entry else {
        index.others.append(number)
        continue
      }
      if ignoresCase { folded.insert(text, kind, number) } else { sensitive.insert(text, kind, number) }
    }
    if !sensitive.isEmpty { index.sensitive = RadixTree(sensitive) }
    if !folded.isEmpty { index.folded = RadixTree(folded) }
    return index
  }

  /// The request came without TLS, and has to come with it (`require_tls`).
  @inline(__always)
  func mustBeSecure(_ head: MessageHead) -> Bool {
    requireTLS != .none && !Redirection.isHTTPS(head)
      && (requireTLS == .all || head.headers.first(internalHeader)?.equalsIgnoringCase("true") != true)
  }

  /// The route that takes a request.
  func route(
    for head: MessageHead, stored: StoredView = StoredView(isStream: true)
  ) -> RouteRuntime? {
    var lookup = RouteLookup(
      head: head, ignorePathParameters: ignoresPathParameters, context: context, stored: stored)
    var best = Int32.max
    if let index, head.method != .connect {
      if let tree = index.sensitive { search(tree, &lookup, &best) }
      if let tree = index.folded { search(tree, &lookup, &best) }
      for number in index.others {
        if number >= best { break }
        if matches(number, &lookup) { best = number }
      }
    } else {
      best = firstInTurn(&lookup)
    }
    return best == .max ? nil : owned[Int(best)]
  }

  @inline(__always)
  private func search(_ tree: RadixTree, _ lookup: inout RouteLookup, _ best: inout Int32) {
    tree.forEachMatch(lookup.path) { number in
      if number >= best { return false }
      if !conditionsHold(number, &lookup) { return true }
      best = number
      return false
    }
  }

  @inline(__always)
  private func firstInTurn(_ lookup: inout RouteLookup) -> Int32 {
    var number: Int32 = 0
    while number < owned.count {
      if matches(number, &lookup) { return number }
      number &+= 1
    }
    return .max
  }

  @inline(__always)
  private func matches(_ number: Int32, _ lookup: inout RouteLookup) -> Bool {
    routes[Int(number)]._withUnsafeGuaranteedRef { $0.matches(&lookup) }
  }

  @inline(__always)
  private func conditionsHold(_ number: Int32, _ lookup: inout RouteLookup) -> Bool {
    routes[Int(number)]._withUnsafeGuaranteedRef { $0.conditionsHold(&lookup) }
  }
}
