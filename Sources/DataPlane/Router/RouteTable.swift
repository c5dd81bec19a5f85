// Route tables as a worker uses them: built once from the model, then only read. Finding the virtual
// host is one walk through a radix tree whatever their number (exact domain, then the longest
// suffix, then the longest prefix, then `*`); the route is found the same way in `VirtualHostRuntime`.
import Model

final class RouteTable {
  let name: String
  private let ignoresPort: Bool
  private let hostHeader: HeaderID?
  /// Whole domains, and those with a star at their end.
  private let forward: RadixTree?
  /// Those with a star at their begin, from their end.
  private let backward: RadixTree?
  private let catchAll: VirtualHostRuntime?
  private let hosts: [VirtualHostRuntime]

  /// What the header rules of all routes need to be recorded.
  let formatNeeds: FormatNeeds

  /// `chain`: names of the filters that routes may speak of.
  init(
    model: RouteConfiguration, chain: [String] = [], context: WorkerContext,
    clusters: (String) -> ClusterRuntime?
  ) {
    name = model.name
    ignoresPort = model.ignorePortInHostMatching
    hostHeader =
      model.virtualHostHeader.isEmpty
      ? nil : context.names.intern(Array(model.virtualHostHeader.utf8)) ?? .unknown
    hosts = model.virtualHosts.map {
      VirtualHostRuntime(
        model: $0, ignorePathParameters: model.ignorePathParameters, table: model, context: context,
        clusters: clusters)
    }
    if !chain.isEmpty {
      for (host, own) in zip(hosts, model.virtualHosts) {
        host.compileFilters(own, outer: model.filters, chain: chain)
      }
    }
    formatNeeds = hosts.reduce([]) { $0.union($1.formatNeeds) }
    var forward = RadixTree.Builder(folds: true)
    var backward = RadixTree.Builder(folds: true)
    var catchAll: VirtualHostRuntime?
    for (index, host) in model.virtualHosts.enumerated() {
      for domain in host.domains {
        let text = Array(domain.utf8)
        if domain == "*" {
          catchAll = hosts[index]
        } else if text.first == UInt8(ascii: "*") {
          backward.insert(text.dropFirst().reversed(), .prefix, Int32(index))
        } else if text.last == UInt8(ascii: "*") {
          forward.insert(Array(text.dropLast()), .prefix, Int32(index))
        } else {
          forward.insert(text, .exact, Int32(index))
        }
      }
    }
    self.forward = forward.isEmpty ? nil : RadixTree(forward)
    self.backward = backward.isEmpty ? nil : RadixTree(backward)
    self.catchAll = catchAll
  }

  /// The virtual host of a request. Nil: none.
  @inline(__always)
  func virtualHost(for head: MessageHead) -> VirtualHostRuntime? {
    if let hostHeader { return head.headers.first(hostHeader).flatMap { virtualHost(for: $0) } }
    if forward == nil, backward == nil { return catchAll }
    return virtualHost(for: head.authority)
  }

  /// The virtual host for an authority, which may carry a port. Case is ignored.
  func virtualHost(for authority: ByteView) -> VirtualHostRuntime? {
    let host = ignoresPort ? authority.withoutPort : authority
    var prefix: Int32?
    if let forward {
      let found = forward.find(host)
      if let exact = found.exact { return hosts[Int(exact)] }
      prefix = found.prefix
    }
    if let suffix = backward?.find(host, reversed: true).prefix { return hosts[Int(suffix)] }
    if let prefix { return hosts[Int(prefix)] }
    return catchAll
  }
}
