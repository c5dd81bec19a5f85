// What the HTTP connection manager does to a request before any filter sees it: who the client is
// and whether it is trusted, the headers that say so, and the form of its path and host.

/// Whose address a request carries, and which clients are internal.
public struct ClientTrust: Hashable, Sendable {
  /// `use_remote_address`: the peer is the client, and is added to `x-forwarded-for`.
  public var usesRemoteAddress = false
  /// `xff_num_trusted_hops`: how many proxies in front of this one have added to `x-forwarded-for`.
  public var trustedHops: UInt32 = 0
  /// `skip_xff_append`: nothing is added to `x-forwarded-for`.
  public var skipsAppend = false
  /// `append_x_forwarded_port`
  public var appendsPort = false
  /// `represent_ipv4_remote_address_as_ipv4_mapped_ipv6`, in `x-forwarded-for`.
  public var mapsIPv4 = false
  /// `internal_address_config`. Empty and false: no client is internal.
  public var internalRanges: [AddressPrefix] = []
  public var internalUnixSockets = false
  /// `original_ip_detection_extensions`, the first that finds an address counts. Empty:
  /// `x-forwarded-for` with `trustedHops`.
  public var detection: [OriginalAddress] = []
  public init() {}
}

/// One way to find the client's address in a request (`envoy.http.original_ip_detection`).
public enum OriginalAddress: Hashable, Sendable {
  case forwardedFor(ForwardedFor)
  case header(Header)

  /// `XffConfig`
  public struct ForwardedFor: Hashable, Sendable {
    public var trustedHops: UInt32 = 0
    /// Addresses of trusted proxies: the last address that is none of them is the client's. Empty:
    /// `trustedHops` counts.
    public var trustedRanges: [AddressPrefix] = []
    /// `xff_trusted_cidrs` stands there, be it empty.
    public var usesRanges = false
    public var skipsAppend = true
    public init() {}
  }

  /// `CustomHeaderConfig`
  public struct Header: Hashable, Sendable {
    /// In lower case.
    public var name: String
    /// The address found may make its client an internal one.
    public var isTrusted = false
    /// The answer to a request without an address there (nil: the next way is tried).
    public var rejection: Int?
    public init(name: String) { self.name = name }
  }
}

/// What is written into each request, and where it wants it, into each response.
public struct RequestHeaderOptions: Hashable, Sendable {
  /// `generate_request_id`: give a request without `x-request-id` one.
  public var generatesRequestID = true
  /// `preserve_external_request_id`: an external client's id is kept.
  public var preservesExternalRequestID = false
  /// `always_set_request_id_in_response`
  public var returnsRequestID = false
  /// `UuidRequestIdConfig.pack_trace_reason`: the 15th character of an external client's id that is
  /// kept says that nobody has decided to trace the request.
  public var packsTraceReason = true
  /// `scheme_header_transformation.scheme_to_overwrite`: nil, `http` or `https`.
  public var scheme: String?
  /// `via`, of requests and responses (empty: none).
  public var via = ""
  /// `add_user_agent`: the node's cluster as `user-agent` of a request without one and as
  /// `x-envoy-downstream-service-cluster`, the node's id as `x-envoy-downstream-service-node`.
  public var addsUserAgent = false
  public init() {}
}

/// The form that paths and hosts get before a route is looked for.
public struct TargetNormalization: Hashable, Sendable {
  /// `normalize_path`: RFC 3986 section 6.2.2 but for the case of escapes.
  public var normalizesPath = false
  /// `merge_slashes`
  public var mergesSlashes = false
  public var escapedSlashes = EscapedSlashes.keep
  /// `strip_trailing_host_dot`
  public var stripsHostDot = false
  public var stripsPort = PortStripping.none

  /// `%2F` and `%5C` in a path (`path_with_escaped_slashes_action`).
  public enum EscapedSlashes: Sendable { case keep, reject, redirect, forward }
  /// `matching`: the port that the connection came to.
  public enum PortStripping: Sendable { case none, matching, any }
  public init() {}
}
