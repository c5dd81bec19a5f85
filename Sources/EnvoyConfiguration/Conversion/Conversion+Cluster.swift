// Clusters: names, timeouts, protocol options. Endpoints, balancing, breakers, discovery and
// connections are files of their own.

internal import Model
internal import SwiftProtobuf

extension Conversion {
  func clusters(_ clusters: [Envoy_Config_Cluster_V3_Cluster], at place: Place) -> [Cluster] {
    var names: [String: Int] = [:]
    return clusters.enumerated().map { index, message in
      let clusterPlace = place.element(index)
      if let first = names[message.name] {
        error(
          "the name \"\(message.name)\" is taken by the cluster at index \(first)",
          at: clusterPlace.field("name"))
      }
      names[message.name] = index
      return cluster(message, at: clusterPlace)
    }
  }

  private func cluster(_ message: Envoy_Config_Cluster_V3_Cluster, at place: Place) -> Cluster {
    var cluster = Cluster(name: message.name, endpoints: [])
    cluster.metadata = metadata(message.metadata, at: place.field("metadata"))
    readDiscovery(message, into: &cluster, at: place)
    readLoadBalancing(message, into: &cluster, at: place)
    cluster.circuitBreakers = circuitBreakers(
      message.circuitBreakers, of: message.name, at: place.field("circuit_breakers"))
    cluster.connections = upstreamConnections(message, at: place)
    if !message.altStatName.isEmpty { cluster.statName = message.altStatName }
    if message.hasConnectTimeout { cluster.connectTimeout = Duration(message.connectTimeout) }
    if message.hasPerConnectionBufferLimitBytes {
      cluster.perConnectionBufferLimit = bufferLimit(
        message.perConnectionBufferLimitBytes.value,
        at: place.field("per_connection_buffer_limit_bytes"))
    }
    if message.hasMaxRequestsPerConnection {
      cluster.maxRequestsPerConnection = limit(message.maxRequestsPerConnection)
    }
    readDeprecatedOptions(message, into: &cluster, at: place)
    readTypedOptions(message, into: &cluster, at: place)
    return cluster
  }

  /// The options that stood in the cluster itself before Envoy 1.17.
  private func readDeprecatedOptions(
    _ message: Envoy_Config_Cluster_V3_Cluster, into cluster: inout Cluster, at place: Place
  ) {
    let names = ["common_http_protocol_options", "http_protocol_options"]
    guard message.typedExtensionProtocolOptions.isEmpty else {
      for name in names where place.field(name).exists {
        warning(
          "`typed_extension_protocol_options` stands instead; ignored, as in Envoy",
          at: place.field(name))
      }
      return
    }
    if message.hasCommonHTTPProtocolOptions {
      apply(message.commonHTTPProtocolOptions, to: &cluster, at: place.field(names[0]))
    }
    if message.hasHTTPProtocolOptions {
      cluster.http1 = http1Options(
        message.httpProtocolOptions, at: place.field("http_protocol_options"))
    }
  }

  /// Zero means no limit.
  func limit(_ value: Google_Protobuf_UInt32Value) -> UInt32? {
    value.value == 0 ? nil : value.value
  }

  private func readTypedOptions(
    _ message: Envoy_Config_Cluster_V3_Cluster, into cluster: inout Cluster, at place: Place
  ) {
    let options = place.field("typed_extension_protocol_options")
    for (key, any) in message.typedExtensionProtocolOptions.sorted(by: { $0.key < $1.key }) {
      let optionsPlace = options.key(key)
      guard key == "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" else {
        error(
          "expected the key \"envoy.extensions.upstreams.http.v3.HttpProtocolOptions\"",
          at: optionsPlace)
        continue
      }
      guard
        let http = try? Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions(
          serializedBytes: any.value)
      else { continue }
      if http.hasCommonHTTPProtocolOptions {
        apply(
          http.commonHTTPProtocolOptions, to: &cluster,
          at: optionsPlace.field("common_http_protocol_options"))
      }
      if case .explicitHTTPConfig(let explicit)? = http.upstreamProtocolOptions {
        cluster.http1 = http1Options(
          explicit.httpProtocolOptions,
          at: optionsPlace.field("explicit_http_config").field("http_protocol_options"))
      }
    }
  }

  private func apply(
    _ options: Envoy_Config_Core_V3_HttpProtocolOptions, to cluster: inout Cluster, at place: Place
  ) {
    cluster.idleTimeout = timeout(
      options.idleTimeout, isSet: options.hasIdleTimeout, absent: .seconds(3600))
    if options.hasMaxHeadersCount {
      cluster.maxResponseHeaders = Int(options.maxHeadersCount.value)
    }
    if options.hasMaxResponseHeadersKb {
      cluster.maxResponseHeadersBytes = Int(options.maxResponseHeadersKb.value) << 10
    }
    if options.hasMaxRequestsPerConnection {
      cluster.maxRequestsPerConnection = limit(options.maxRequestsPerConnection)
    }
    cluster.maxConnectionDuration = timeout(
      options.maxConnectionDuration, isSet: options.hasMaxConnectionDuration)
    cluster.maxStreamDuration = timeout(
      options.maxStreamDuration, isSet: options.hasMaxStreamDuration)
    if options.headersWithUnderscoresAction != .allow {
      error(
        "it is supported in a connection manager only, not in a cluster",
        at: place.field("headers_with_underscores_action"))
    }
  }

  func http1Options(_ options: Envoy_Config_Core_V3_Http1ProtocolOptions, at place: Place)
    -> HTTP1Options
  {
    var result = HTTP1Options()
    result.acceptHTTP10 = options.acceptHTTP10
    result.defaultHostForHTTP10 = options.defaultHostForHTTP10
    if options.hasAllowAbsoluteURL { result.allowAbsoluteURL = options.allowAbsoluteURL.value }
    result.enableTrailers = options.enableTrailers
    result.names = headerNames(options, at: place)
    return result
  }
}
