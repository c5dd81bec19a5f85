// The c-ares resolver, and the extension form of DNS clusters.

internal import Model

typealias DNSResolverExtension = ConfigurationExtension<DNSResolver>
typealias ClusterTypeExtension = ConfigurationExtension<DNSDiscovery>

extension ConfigurationExtension where Output == DNSResolver {
  /// The category `envoy.network.dns_resolver`.
  static var all: [Self] { [.cares] }

  private static var cares: Self {
    Self(Envoy_Extensions_Network_DnsResolver_Cares_V3_CaresDnsResolverConfig.self) {
      message, conversion, place in
      var result = DNSResolver()
      result.servers = conversion.servers(message.resolvers, at: place.field("resolvers"))
      result.serversAreFallback = message.useResolversAsFallback
      result.usesTCP = message.dnsResolverOptions.useTcpForDnsLookups
      result.ignoresSearchList = message.dnsResolverOptions.noDefaultSearchDomain
      if message.udpMaxQueries.value > 0 { result.maxUDPQueries = message.udpMaxQueries.value }
      if message.hasQueryTimeoutSeconds {
        result.queryTimeoutSeconds = message.queryTimeoutSeconds.value
      }
      if message.hasQueryTries { result.queryTries = message.queryTries.value }
      result.rotatesServers = message.rotateNameservers
      if message.hasEdns0MaxPayloadSize {
        result.ednsPayloadSize = message.edns0MaxPayloadSize.value
      }
      let age = Duration(message.maxUdpChannelDuration)
      if age > .zero { result.maxUDPDuration = age }
      result.reopensOnTimeout = message.reinitChannelOnTimeout
      return result
    }
  }
}

extension ConfigurationExtension where Output == DNSDiscovery {
  /// The category `envoy.clusters`.
  static var all: [Self] { [.dns] }

  private static var dns: Self {
    Self(Envoy_Extensions_Clusters_Dns_V3_DnsCluster.self) { message, conversion, place in
      var dns = DNSDiscovery()
      if message.hasDnsRefreshRate { dns.refreshRate = Duration(message.dnsRefreshRate) }
      if message.hasDnsFailureRefreshRate {
        let rate = message.dnsFailureRefreshRate
        dns.failureRefresh = conversion.failureRefresh(
          rate.baseInterval, rate.hasMaxInterval ? rate.maxInterval : nil,
          at: place.field("dns_failure_refresh_rate"))
      }
      dns.respectsTTL = message.respectDnsTtl
      dns.jitter = Duration(message.dnsJitter)
      dns.isLogical = message.allAddressesInSingleEndpoint
      dns.family =
        switch message.dnsLookupFamily {
        case .v4Only: .v4Only
        case .v6Only: .v6Only
        case .v4Preferred: .v4Preferred
        case .all: .all
        default: .auto
        }
      dns.resolver = conversion.defaultResolver
      if message.hasTypedDnsResolverConfig {
        dns.resolver = conversion.resolver(
          message.typedDnsResolverConfig, at: place.field("typed_dns_resolver_config"))
      }
      return dns
    }
  }
}
