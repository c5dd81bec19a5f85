// Filter chains: their matches, their network filters, and Envoy's rules about both.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func readChains(
    _ message: Envoy_Config_Listener_V3_Listener, into listener: inout Listener, at place: Place
  ) {
    if message.filterChains.isEmpty, !message.hasDefaultFilterChain,
      !place.field("filter_chains").isDoubtful, !place.field("default_filter_chain").isDoubtful
    {
      error("`filter_chains` or `default_filter_chain` is required", at: place)
    }
    let chains = place.field("filter_chains")
    for (index, chain) in message.filterChains.enumerated() {
      listener.filterChains.append(filterChain(chain, at: chains.element(index)))
    }
    if message.hasDefaultFilterChain {
      let chainPlace = place.field("default_filter_chain")
      if message.defaultFilterChain.hasFilterChainMatch,
        message.defaultFilterChain.filterChainMatch != .init()
      {
        warning(
          "the default filter chain takes what no other matches; its match is ignored",
          at: chainPlace.field("filter_chain_match"))
      }
      var chain = filterChain(message.defaultFilterChain, at: chainPlace)
      chain.match = FilterChainMatch()
      listener.defaultFilterChain = chain
    }
    checkDistinct(listener.filterChains, at: chains)
  }

  /// A `transport_socket` needs no look: the walk lets only the one of plain TCP pass.
  private func filterChain(_ chain: Envoy_Config_Listener_V3_FilterChain, at place: Place)
    -> FilterChain
  {
    var made = FilterChain(
      name: chain.name, match: match(chain.filterChainMatch, at: place.field("filter_chain_match")),
      filters: networkFilters(chain.filters, at: place.field("filters")))
    made.metadata = metadata(chain.metadata, at: place.field("metadata"))
    return made
  }

  private func networkFilters(
    _ filters: [Envoy_Config_Listener_V3_Filter], at place: Place
  ) -> [NetworkFilter] {
    var result: [NetworkFilter] = []
    for (index, filter) in filters.enumerated() {
      let filterPlace = place.element(index)
      let isPlugin = Self.isPlugin(filter.typedConfig)
      guard
        let converted = isPlugin
          ? pluginFilter(filter, at: filterPlace)
          : NetworkFilterExtension.convert(
            filter.typedConfig, among: NetworkFilterExtension.all, with: self,
            at: filterPlace.field("typed_config"))
      else { continue }
      let isLast = index == filters.count - 1 && !place.isRefused
      if converted.isTerminal, index < filters.count - 1 {
        error("\"\(filter.name)\" ends the chain and must be its last filter", at: filterPlace)
      } else if !converted.isTerminal, isLast {
        error(
          "\"\(filter.name)\" does not end the chain and must not be its last filter",
          at: filterPlace)
      }
      result.append(converted)
    }
    return result
  }

  private func pluginFilter(_ filter: Envoy_Config_Listener_V3_Filter, at place: Place) -> NetworkFilter? {
    guard
      let binding = binding(
        filter.typedConfig, kind: .network, name: filter.name, at: place.field("typed_config")),
      let description = plugins?.filter(name: binding.filterName, kind: .network)
    else { return nil }
    return .plugin(
      PluginNetworkFilter(name: filter.name, binding: binding, isTerminal: description.isTerminal))
  }

  private func match(_ match: Envoy_Config_Listener_V3_FilterChainMatch, at place: Place)
    -> FilterChainMatch
  {
    var result = FilterChainMatch()
    if match.hasDestinationPort {
      result.destinationPort = UInt16(clamping: match.destinationPort.value)
    }
    result.destinationPrefixes = prefixes(match.prefixRanges, at: place.field("prefix_ranges"))
    result.directSourcePrefixes = prefixes(
      match.directSourcePrefixRanges, at: place.field("direct_source_prefix_ranges"))
    result.sourcePrefixes = prefixes(
      match.sourcePrefixRanges, at: place.field("source_prefix_ranges"))
    result.sourcePorts = match.sourcePorts.map { UInt16(clamping: $0) }
    result.sourceType =
      switch match.sourceType {
      case .sameIpOrLoopback: .sameIPOrLoopback
      case .external: .external
      default: .any
      }
    for (index, name) in match.serverNames.enumerated() {
      let rest = name.hasPrefix("*.") ? name.dropFirst(2) : name[...]
      if rest.contains("*") || rest.isEmpty {
        error(
          "expected a server name or one with `*.` before it; partial wildcards are not supported",
          at: place.field("server_names").element(index))
      }
      result.serverNames.append(name.lowercased())
    }
    if !["", "raw_buffer", "tls"].contains(match.transportProtocol) {
      warning(
        "nothing here detects the transport protocol \"\(match.transportProtocol)\", so that the "
          + "chain never matches",
        at: place.field("transport_protocol"))
    }
    result.transportProtocol = match.transportProtocol
    result.applicationProtocols = match.applicationProtocols
    return result
  }

  /// Two chains may not match the same connection equally well: for every criterion they share
  /// a value. Chains are compared within buckets only, of one port and server name or (without
  /// server names) source range, so that many chains cost no quadratic time.
  private func checkDistinct(_ chains: [FilterChain], at place: Place) {
    struct Bucket: Hashable {
      var port: UInt16?
      var serverName = ""
      var source: AddressPrefix?
    }
    func share<Element: Hashable>(_ left: [Element], _ right: [Element]) -> Bool {
      left.isEmpty || right.isEmpty
        ? left.isEmpty && right.isEmpty : !Set(left).isDisjoint(with: right)
    }
    func overlap(_ left: FilterChainMatch, _ right: FilterChainMatch) -> Bool {
      left.transportProtocol == right.transportProtocol && left.sourceType == right.sourceType
        && share(left.destinationPrefixes, right.destinationPrefixes)
        && share(left.applicationProtocols, right.applicationProtocols)
        && share(left.directSourcePrefixes, right.directSourcePrefixes)
        && share(left.sourcePrefixes, right.sourcePrefixes)
        && share(left.sourcePorts, right.sourcePorts)
    }
    var buckets: [Bucket: [Int]] = [:]
    for (index, chain) in chains.enumerated() {
      // A criterion that was refused may be what tells it from the others.
      let matchPlace = place.element(index).field("filter_chain_match")
      if matchPlace.isDoubtful { continue }
      var found: Set<Bucket> = []
      let port = chain.match.destinationPort
      for name in chain.match.serverNames { found.insert(Bucket(port: port, serverName: name)) }
      if found.isEmpty {
        for source in chain.match.sourcePrefixes {
          found.insert(Bucket(port: port, source: source))
        }
      }
      if found.isEmpty { found = [Bucket(port: port)] }
      var earlier: Int?
      for bucket in found {
        if let other = buckets[bucket]?.first(where: { overlap(chains[$0].match, chain.match) }) {
          earlier = min(earlier ?? other, other)
        }
        buckets[bucket, default: []].append(index)
      }
      if let earlier {
        let name = chains[earlier].name.isEmpty ? "" : " (\"\(chains[earlier].name)\")"
        error(
          "matches the same connections as the filter chain at index \(earlier)\(name)",
          at: matchPlace)
      }
    }
  }
}
