// Names of the v2 age and what they are called today.

enum LegacyNames {
  /// Extension names as they were before Envoy 1.14.
  static let extensions: [String: String] = [
    "envoy.connection_limit": "envoy.filters.network.connection_limit",
    "envoy.echo": "envoy.filters.network.echo",
    "envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
    "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
    "envoy.router": "envoy.filters.http.router",
    "envoy.listener.original_dst": "envoy.filters.listener.original_dst",
    "envoy.listener.proxy_protocol": "envoy.filters.listener.proxy_protocol",
    "envoy.file_access_log": "envoy.access_loggers.file",
    "raw_buffer": "envoy.transport_sockets.raw_buffer",
  ]

  /// Full names of v2 messages that stand in an Any.
  static let types: [String: String] = [
    "envoy.config.accesslog.v2.FileAccessLog":
      "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "envoy.config.filter.http.router.v2.Router": "envoy.extensions.filters.http.router.v3.Router",
    "envoy.config.filter.listener.original_dst.v2.OriginalDst":
      "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
    "envoy.config.filter.listener.proxy_protocol.v2.ProxyProtocol":
      "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    "envoy.config.filter.network.direct_response.v2.Config":
      "envoy.extensions.filters.network.direct_response.v3.Config",
    "envoy.config.filter.network.echo.v2.Echo": "envoy.extensions.filters.network.echo.v3.Echo",
    "envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager":
      "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.config.filter.network.tcp_proxy.v2.TcpProxy":
      "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.config.transport_socket.raw_buffer.v2.RawBuffer":
      "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
  ]

  /// Fields of v2 messages that v3 does not have and that have no counterpart here, by the v3
  /// name of the message: why they are refused.
  static let removedFields: [String: [String: String]] = [
    "envoy.config.cluster.v3.Cluster": [
      "tls_context": "TLS is not in this version",
      "extension_protocol_options": "use `typed_extension_protocol_options`",
      "drain_connections_on_host_removal": "health checking is not in this version",
    ],
    "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy": [
      "disable_overprovisioning": "use `overprovisioning_factor: 100`"
    ],
    "envoy.config.listener.v3.FilterChain": ["tls_context": "TLS is not in this version"],
    "envoy.config.route.v3.RouteMatch": [
      "regex": "its syntax was not RE2's; use `safe_regex`"
    ],
    "envoy.config.route.v3.HeaderMatcher": [
      "regex_match": "its syntax was not RE2's; use `safe_regex_match`"
    ],
    "envoy.type.matcher.v3.StringMatcher": ["regex": "its syntax was not RE2's; use `safe_regex`"],
    "envoy.config.route.v3.RouteAction": [
      "auto_host_rewrite_header": "use `host_rewrite_header`",
      "request_mirror_policy": "use `request_mirror_policies`",
    ],
    "envoy.config.route.v3.RouteAction.RequestMirrorPolicy": [
      "runtime_key": "use `runtime_fraction`"
    ],
    "envoy.config.route.v3.Route": [
      "per_filter_config": "per-filter configuration of routes is not in this version"
    ],
    "envoy.config.route.v3.VirtualCluster": [
      "pattern": "its syntax was not RE2's; use `headers`", "method": "use `headers` with `:method`",
    ],
    "envoy.config.route.v3.VirtualHost": [
      "per_filter_config": "per-filter configuration of routes is not in this version"
    ],
    "envoy.config.route.v3.WeightedCluster.ClusterWeight": [
      "per_filter_config": "per-filter configuration of routes is not in this version"
    ],
  ]
}
