// Choosing the filter chain of a connection (`FilterChainMatch`). The criteria are looked at in
// Envoy's order; at each the most specific value that fits is taken, and there is no way back:
//
//     destination port -> destination prefix -> server name -> transport protocol
//       -> application protocol -> direct source prefix -> source type -> source prefix
//       -> source port
//
// Built as a tree of tables, so that a choice does not depend on the number of chains.
import Model

/// What is known of a connection when its chain is chosen.
struct ConnectionFacts {
  var destination: SocketAddress
  var source: SocketAddress
  var directSource: SocketAddress
  /// Set by inspectors; empty: none was found.
  var serverName = ""
  var transportProtocol = "raw_buffer"
  var applicationProtocols: [String] = []
}

struct FilterChainMatcher<Chain> {
  /// One criterion's values and what follows each.
  private indirect enum Node {
    case leaf(Chain)
    case ports([UInt16: Node], any: Node?)
    case prefixes([(length: Int, family: IPAddress.Family, nodes: [IPAddress: Node])], any: Node?)
    case names(exact: [String: Node], suffixes: [String: Node], any: Node?)
    case strings([String: Node], any: Node?)
    case sourceType(local: Node?, external: Node?, any: Node?)
  }

  private let root: Node?
  private let fallback: Chain?

  init(chains: [(FilterChainMatch, Chain)], fallback: Chain?) {
    root = FilterChainMatcher.build(chains, criterion: 0)
    self.fallback = fallback
  }

  /// The chain that takes every connection, when there is nothing to look at.
  var only: Chain? {
    var node = root
    while let current = node {
      switch current {
      case .leaf(let chain): return chain
      case .ports(let table, let any): node = table.isEmpty ? any : nil
      case .prefixes(let tables, let any): node = tables.isEmpty ? any : nil
      case .names(let exact, let suffixes, let any): node = exact.isEmpty && suffixes.isEmpty ? any : nil
      case .strings(let table, let any): node = table.isEmpty ? any : nil
      case .sourceType(let local, let external, let any):
        node = local == nil && external == nil ? any : nil
      }
    }
    return root == nil ? fallback : nil
  }

  func match(_ facts: ConnectionFacts) -> Chain? {
    guard let root else { return fallback }
    return walk(root, criterion: 0, facts) ?? fallback
  }

  // MARK: Building

  private static func build(_ chains: [(FilterChainMatch, Chain)], criterion: Int) -> Node? {
    guard let first = chains.first else { return nil }
    if criterion == 9 { return .leaf(first.1) }
    let next = criterion + 1
    switch criterion {
    case 0:
      return ports(chains, next) { $0.destinationPort.map { [$0] } ?? [] }
    case 1: return prefixes(chains, next) { $0.destinationPrefixes }
    case 2: return names(chains, next)
    case 3: return strings(chains, next) { $0.transportProtocol.isEmpty ? [] : [$0.transportProtocol] }
    case 4: return strings(chains, next) { $0.applicationProtocols }
    case 5: return prefixes(chains, next) { $0.directSourcePrefixes }
    case 6:
      func of(_ type: FilterChainMatch.SourceType) -> Node? {
        build(chains.filter { $0.0.sourceType == type }, criterion: next)
      }
      return .sourceType(local: of(.sameIPOrLoopback), external: of(.external), any: of(.any))
    case 7: return prefixes(chains, next) { $0.sourcePrefixes }
    default: return ports(chains, next) { $0.sourcePorts }
    }
  }

  private static func ports(
    _ chains: [(FilterChainMatch, Chain)], _ next: Int, _ values: (FilterChainMatch) -> [UInt16]
  ) -> Node {
    let (groups, rest) = grouped(chains, values)
    return .ports(
      groups.compactMapValues { build($0, criterion: next) }, any: build(rest, criterion: next))
  }

  private static func strings(
    _ chains: [(FilterChainMatch, Chain)], _ next: Int, _ values: (FilterChainMatch) -> [String]
  ) -> Node {
    let (groups, rest) = grouped(chains, values)
    return .strings(
      groups.compactMapValues { build($0, criterion: next) }, any: build(rest, criterion: next))
  }

  private static func names(_ chains: [(FilterChainMatch, Chain)], _ next: Int) -> Node {
    let (groups, rest) = grouped(chains) { $0.serverNames }
    var exact: [String: Node] = [:]
    var suffixes: [String: Node] = [:]
    for (name, members) in groups {
      let node = build(members, criterion: next)
      if name.hasPrefix("*.") { suffixes[String(name.dropFirst())] = node } else { exact[name] = node }
    }
    return .names(exact: exact, suffixes: suffixes, any: build(rest, criterion: next))
  }

  private static func prefixes(
    _ chains: [(FilterChainMatch, Chain)], _ next: Int, _ values: (FilterChainMatch) -> [AddressPrefix]
  ) -> Node {
    let (groups, rest) = grouped(chains, values)
    var tables: [(length: Int, family: IPAddress.Family, nodes: [IPAddress: Node])] = []
    for (prefix, members) in groups {
      guard let node = build(members, criterion: next) else { continue }
      let family = prefix.address.family
      if let index = tables.firstIndex(where: { $0.length == prefix.length && $0.family == family }) {
        tables[index].nodes[prefix.address] = node
      } else {
        tables.append((prefix.length, family, [prefix.address: node]))
      }
    }
    tables.sort { $0.length > $1.length }
    return .prefixes(tables, any: build(rest, criterion: next))
  }

  /// Chains by value, and those that name none. A chain with several values is in several groups.
  private static func grouped<Value: Hashable>(
    _ chains: [(FilterChainMatch, Chain)], _ values: (FilterChainMatch) -> [Value]
  ) -> ([Value: [(FilterChainMatch, Chain)]], [(FilterChainMatch, Chain)]) {
    var groups: [Value: [(FilterChainMatch, Chain)]] = [:]
    var rest: [(FilterChainMatch, Chain)] = []
    for chain in chains {
      let all = values(chain.0)
      if all.isEmpty { rest.append(chain) }
      for value in Set(all) { groups[value, default: []].append(chain) }
    }
    return (groups, rest)
  }

  // MARK: Choosing

  private func walk(_ node: Node, criterion: Int, _ facts: ConnectionFacts) -> Chain? {
    let next: Node?
    switch node {
    case .leaf(let chain): return chain
    case .ports(let table, let any):
      next =
        FilterChainMatcher.port(criterion == 0 ? facts.destination : facts.source)
        .flatMap { table[$0] } ?? any
    case .prefixes(let tables, let any):
      let address = criterion == 1 ? facts.destination : criterion == 5 ? facts.directSource : facts.source
      next = FilterChainMatcher.longest(tables, address) ?? any
    case .names(let exact, let suffixes, let any):
      next = FilterChainMatcher.name(facts.serverName, exact, suffixes) ?? any
    case .strings(let table, let any):
      let values = criterion == 3 ? [facts.transportProtocol] : facts.applicationProtocols
      next = values.lazy.compactMap { table[$0] }.first ?? any
    case .sourceType(let local, let external, let any):
      next = (FilterChainMatcher.isLocal(facts) ? local : external) ?? any
    }
    guard let next else { return nil }
    return walk(next, criterion: criterion + 1, facts)
  }

  private static func port(_ address: SocketAddress) -> UInt16? {
    guard case .ip(_, let port) = address else { return nil }
    return port
  }

  private static func longest(
    _ tables: [(length: Int, family: IPAddress.Family, nodes: [IPAddress: Node])],
    _ address: SocketAddress
  ) -> Node? {
    guard case .ip(let ip, _) = address else { return nil }
    for table in tables where table.family == ip.family {
      if let node = table.nodes[AddressPrefix(address: ip, length: table.length).address] { return node }
    }
    return nil
  }

  /// The exact name, then ever shorter suffixes.
  private static func name(
    _ name: String, _ exact: [String: Node], _ suffixes: [String: Node]
  ) -> Node? {
    if name.isEmpty { return nil }
    if let node = exact[name] { return node }
    var rest = name[...]
    while let dot = rest.firstIndex(of: ".") {
      if let node = suffixes[String(rest[dot...])] { return node }
      rest = rest[rest.index(after: dot)...]
    }
    return nil
  }

  /// As Envoy: of 127.0.0.0/8 only 127.0.0.1 itself is loopback here.
  private static func isLocal(_ facts: ConnectionFacts) -> Bool {
    switch (facts.source, facts.destination) {
    case (.ip(let source, _), .ip(let destination, _)):
      source == IPAddress(v4: 0x7f00_0001) || source == IPAddress(v6High: 0, low: 1)
        || source == destination
    default: true
    }
  }
}
