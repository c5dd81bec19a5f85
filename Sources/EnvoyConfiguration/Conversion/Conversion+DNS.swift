// Clusters that find their endpoints while they run: DNS names and original destinations.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  /// Reads where the endpoints come from, and the endpoints that stand in the file.
  func readDiscovery(
    _ message: Envoy_Config_Cluster_V3_Cluster, into cluster: inout Cluster, at place: Place
  ) {
    let assignment = place.field("load_assignment")
    switch message.clusterDiscoveryType {
    case .clusterType(let type)?:
      guard
        var dns = ClusterTypeExtension.convert(
          type.typedConfig, among: ClusterTypeExtension.all, with: self,
          at: place.field("cluster_type").field("typed_config"))
      else { return }
      finish(&dns, message, into: &cluster, at: place)
    case .type(.strictDns)?, .type(.logicalDns)?:
      var dns = dnsDiscovery(message, at: place)
      dns.isLogical = message.clusterDiscoveryType == .type(.logicalDns)
      finish(&dns, message, into: &cluster, at: place)
    case .type(.originalDst)?:
      if message.hasLoadAssignment {
        error("a cluster of original destinations has no endpoints of its own", at: assignment)
      }
      cluster.discovery = .originalDestination(originalDestination(message, at: place))
    default:
      cluster.endpoints = endpoints(message.loadAssignment, at: assignment)
    }
  }

  private func finish(
    _ dns: inout DNSDiscovery, _ message: Envoy_Config_Cluster_V3_Cluster,
    into cluster: inout Cluster, at place: Place
  ) {
    let assignment = place.field("load_assignment")
    dns.targets = targets(message.loadAssignment, at: assignment)
    if message.hasWaitForWarmOnInit { dns.warms = message.waitForWarmOnInit.value }
    if dns.isLogical, dns.targets.count != 1 {
      error(
        "expected one locality with one endpoint: all addresses of a name are one", at: assignment)
    }
    cluster.discovery = .dns(dns)
  }

  private func targets(
    _ assignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment, at place: Place
  ) -> [DNSDiscovery.Target] {
    assigned(assignment, at: place).compactMap { assigned in
      let addressPlace = assigned.place.field("address")
      guard case .socketAddress(let socket)? = assigned.message.address.address else {
        error("expected a `socket_address` with the name to resolve", at: addressPlace)
        return nil
      }
      let socketPlace = addressPlace.field("socket_address")
      if socket.portValue == 0, !addressPlace.isDoubtful {
        error("an endpoint has a port", at: socketPlace.field("port_value"))
      }
      if socket.ipv4Compat {
        error("it has a meaning only for a listener", at: socketPlace.field("ipv4_compat"))
      }
      if !assigned.message.additionalAddresses.isEmpty {
        error(
          "a name says its addresses itself", at: assigned.place.field("additional_addresses"))
      }
      var template = assigned.template
      if template.hostname.isEmpty { template.hostname = socket.address }
      return DNSDiscovery.Target(
        name: socket.address, port: UInt16(clamping: socket.portValue), template: template)
    }
  }

  /// The cluster's own fields.
  private func dnsDiscovery(
    _ message: Envoy_Config_Cluster_V3_Cluster, at place: Place
  ) -> DNSDiscovery {
    var dns = DNSDiscovery()
    if message.hasDnsRefreshRate { dns.refreshRate = Duration(message.dnsRefreshRate) }
    dns.jitter = Duration(message.dnsJitter)
    dns.respectsTTL = message.respectDnsTtl
    if message.hasDnsFailureRefreshRate {
      let rate = message.dnsFailureRefreshRate
      dns.failureRefresh = failureRefresh(
        rate.baseInterval, rate.hasMaxInterval ? rate.maxInterval : nil,
        at: place.field("dns_failure_refresh_rate"))
    }
    dns.family =
      switch message.dnsLookupFamily {
      case .v4Only: .v4Only
      case .v6Only: .v6Only
      case .v4Preferred: .v4Preferred
      case .all: .all
      default: .auto
      }
    dns.resolver = resolver(of: message, at: place)
    return dns
  }

  func failureRefresh(
    _ base: Google_Protobuf_Duration, _ max: Google_Protobuf_Duration?, at place: Place
  ) -> DNSDiscovery.FailureRefresh {
    let base = Duration(base)
    let max = max.map { Duration($0) } ?? base * 10
    if max < base {
      error("expected no less than `base_interval`", at: place.field("max_interval"))
    }
    return DNSDiscovery.FailureRefresh(base: base, max: max)
  }

  private func resolver(
    of message: Envoy_Config_Cluster_V3_Cluster, at place: Place
  ) -> DNSResolver {
    if message.hasTypedDnsResolverConfig {
      return resolver(
        message.typedDnsResolverConfig, at: place.field("typed_dns_resolver_config"))
    }
    if message.hasDnsResolutionConfig {
      return resolver(message.dnsResolutionConfig, at: place.field("dns_resolution_config"))
    }
    if message.dnsResolvers.isEmpty, !message.useTcpForDnsLookups { return defaultResolver }
    var result = DNSResolver()
    result.servers = servers(message.dnsResolvers, at: place.field("dns_resolvers"))
    result.usesTCP = message.useTcpForDnsLookups
    return result
  }

  /// For clusters that say nothing of their own.
  func resolver(
    of bootstrap: Envoy_Config_Bootstrap_V3_Bootstrap, at place: Place
  ) -> DNSResolver {
    if bootstrap.hasTypedDnsResolverConfig {
      return resolver(
        bootstrap.typedDnsResolverConfig, at: place.field("typed_dns_resolver_config"))
    }
    if bootstrap.hasDnsResolutionConfig {
      return resolver(bootstrap.dnsResolutionConfig, at: place.field("dns_resolution_config"))
    }
    var result = DNSResolver()
    result.usesTCP = bootstrap.useTcpForDnsLookups
    return result
  }

  private func resolver(
    _ config: Envoy_Config_Core_V3_DnsResolutionConfig, at place: Place
  ) -> DNSResolver {
    var result = DNSResolver()
    result.servers = servers(config.resolvers, at: place.field("resolvers"))
    result.usesTCP = config.dnsResolverOptions.useTcpForDnsLookups
    result.ignoresSearchList = config.dnsResolverOptions.noDefaultSearchDomain
    return result
  }

  func resolver(
    _ config: Envoy_Config_Core_V3_TypedExtensionConfig, at place: Place
  ) -> DNSResolver {
    DNSResolverExtension.convert(
      config.typedConfig, among: DNSResolverExtension.all, with: self,
      at: place.field("typed_config")) ?? DNSResolver()
  }

  func servers(_ addresses: [Envoy_Config_Core_V3_Address], at place: Place) -> [SocketAddress] {
    addresses.enumerated().compactMap { index, address in
      let serverPlace = place.element(index)
      guard case .socketAddress(let socket)? = address.address else {
        error("expected a `socket_address`", at: serverPlace)
        return nil
      }
      return ipAddress(socket, at: serverPlace.field("socket_address"))
    }
  }

  private func originalDestination(
    _ message: Envoy_Config_Cluster_V3_Cluster, at place: Place
  ) -> OriginalDestination {
    var result = OriginalDestination()
    if message.hasCleanupInterval { result.cleanupInterval = Duration(message.cleanupInterval) }
    guard case .originalDstLbConfig(let config)? = message.lbConfig else { return result }
    if config.useHTTPHeader {
      result.header =
        config.httpHeaderName.isEmpty
        ? "x-envoy-original-dst-host" : config.httpHeaderName.lowercased()
    } else if !config.httpHeaderName.isEmpty {
      error(
        "needs `use_http_header: true`",
        at: place.field("original_dst_lb_config").field("http_header_name"))
    }
    if config.hasUpstreamPortOverride {
      result.portOverride = UInt16(clamping: config.upstreamPortOverride.value)
    }
    return result
  }
}
