// The TCP proxy network filter.

internal import Model
internal import SwiftProtobuf

extension ConfigurationExtension where Output == NetworkFilter {
  static var tcpProxy: Self {
    Self(Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy.self) { message, conversion, place in
      // The proto file requires one; where it was refused the rest is looked at all the same.
      let choice = conversion.clusterChoice(message, at: place) ?? .single("")
      var proxy = TCPProxy(statPrefix: message.statPrefix, cluster: choice)
      proxy.idleTimeout = conversion.timeout(
        message.idleTimeout, isSet: message.hasIdleTimeout, absent: .seconds(3600))
      if message.hasMaxConnectAttempts {
        proxy.maxConnectAttempts = Int(message.maxConnectAttempts.value)
      }
      proxy.maxConnectionDuration = conversion.timeout(
        message.maxDownstreamConnectionDuration, isSet: message.hasMaxDownstreamConnectionDuration)
      proxy.accessLogs = conversion.accessLogs(message.accessLog, at: place.field("access_log"))
      if message.hasAccessLogFlushInterval {
        proxy.accessLogTiming.interval = Duration(message.accessLogFlushInterval)
      }
      proxy.accessLogTiming.onStart = message.flushAccessLogOnConnected
      if message.hasAccessLogOptions {
        let options = message.accessLogOptions
        if message.hasAccessLogFlushInterval || message.flushAccessLogOnConnected {
          conversion.error(
            "`access_log_flush_interval` and `flush_access_log_on_connected` stand here now",
            at: place.field("access_log_options"))
        }
        proxy.accessLogTiming.onStart = options.flushAccessLogOnConnected
        proxy.accessLogTiming.interval =
          options.hasAccessLogFlushInterval ? Duration(options.accessLogFlushInterval) : nil
      }
      return .tcpProxy(proxy)
    }
  }
}

extension Conversion {
  /// Envoy takes a TCP proxy to a cluster that does not exist, and closes its connections.
  private func noteMissing(_ cluster: String, at place: Place) {
    guard lacksCluster(cluster) else { return }
    warning(
      "the cluster \"\(cluster)\" does not exist; connections to it are closed, as in Envoy",
      at: place)
  }

  fileprivate func clusterChoice(
    _ message: Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy, at place: Place
  ) -> TCPProxy.ClusterChoice? {
    switch message.clusterSpecifier {
    case .cluster(let name)?:
      if name.isEmpty {
        error("must not be empty", at: place.field("cluster"))
      } else {
        noteMissing(name, at: place.field("cluster"))
      }
      return .single(name)
    case .weightedClusters(let weighted)?:
      let clusters = place.field("weighted_clusters").field("clusters")
      var total: UInt64 = 0
      var result: [TCPProxy.Weighted] = []
      for (index, cluster) in weighted.clusters.enumerated() {
        noteMissing(cluster.name, at: clusters.element(index).field("name"))
        total += UInt64(cluster.weight)
        result.append(TCPProxy.Weighted(cluster: cluster.name, weight: cluster.weight))
      }
      if total > UInt64(UInt32.max) {
        error("the weights add up to more than \(UInt32.max)", at: clusters)
      }
      return .weighted(result)
    case nil: return nil  // required by the proto file
    }
  }
}
