// Facts about a stream or connection; metadata and filter state.
public import CMartletABI

/// A fact that is text.
@frozen
public struct TextAttribute: Sendable {
  @usableFromInline let id: martlet_text_attribute
  @inlinable init(_ id: martlet_text_attribute) { self.id = id }

  /// Who asks, as the proxy believes: "192.0.2.1:4711".
  @inlinable public static var downstreamRemoteAddress: Self { Self(MARTLET_DOWNSTREAM_REMOTE_ADDRESS) }
  /// The peer of the socket.
  @inlinable public static var downstreamDirectRemoteAddress: Self {
    Self(MARTLET_DOWNSTREAM_DIRECT_REMOTE_ADDRESS)
  }
  /// The proxy's side of the client's connection.
  @inlinable public static var downstreamLocalAddress: Self { Self(MARTLET_DOWNSTREAM_LOCAL_ADDRESS) }
  /// The listener's filter chain.
  @inlinable public static var filterChainName: Self { Self(MARTLET_FILTER_CHAIN_NAME) }
  /// HTTP alone, like all below: the route.
  @inlinable public static var routeName: Self { Self(MARTLET_ROUTE_NAME) }
  /// The virtual host.
  @inlinable public static var virtualHostName: Self { Self(MARTLET_VIRTUAL_HOST_NAME) }
  /// The route's cluster, also before the request has gone there.
  @inlinable public static var clusterName: Self { Self(MARTLET_CLUSTER_NAME) }
  /// The host that was chosen.
  @inlinable public static var upstreamAddress: Self { Self(MARTLET_UPSTREAM_ADDRESS) }
  /// Why the answer is what it is.
  @inlinable public static var responseCodeDetails: Self { Self(MARTLET_RESPONSE_CODE_DETAILS) }
  /// "UF,URX".
  @inlinable public static var responseFlags: Self { Self(MARTLET_RESPONSE_FLAGS) }
  /// "HTTP/1.1".
  @inlinable public static var `protocol`: Self { Self(MARTLET_PROTOCOL) }
}

/// A fact that is a number.
@frozen
public struct NumberAttribute: Sendable {
  @usableFromInline let id: martlet_number_attribute
  @inlinable init(_ id: martlet_number_attribute) { self.id = id }

  /// The client's connection, by a number that no other has had.
  @inlinable public static var connectionID: Self { Self(MARTLET_CONNECTION_ID) }
  /// Nanoseconds since 1970.
  @inlinable public static var startTime: Self { Self(MARTLET_START_TIME) }
  /// Nanoseconds since then.
  @inlinable public static var duration: Self { Self(MARTLET_DURATION) }
  /// HTTP alone, like all below. 0: none yet.
  @inlinable public static var responseCode: Self { Self(MARTLET_RESPONSE_CODE) }
  /// 0: none yet, 1: upstream, 2: the proxy itself.
  @inlinable public static var responseSource: Self { Self(MARTLET_RESPONSE_SOURCE) }
  /// Bytes of the request's body.
  @inlinable public static var requestBytes: Self { Self(MARTLET_REQUEST_BYTES) }
  /// Bytes of the response's body.
  @inlinable public static var responseBytes: Self { Self(MARTLET_RESPONSE_BYTES) }
  /// How often the request was sent upstream.
  @inlinable public static var attempts: Self { Self(MARTLET_ATTEMPTS) }
}

extension StreamScope where Self: ~Copyable & ~Escapable {
  /// A fact as text; nil where it is not known (yet).
  @inlinable
  @_lifetime(copy self)
  public func attribute(_ attribute: TextAttribute) -> BytesView? {
    var bytes = martlet_bytes()
    guard _services.pointee.streamInfo.text(_handle, attribute.id, &bytes) == MARTLET_OK else {
      return nil
    }
    return _overrideLifetime(BytesView(unsafe: bytes), copying: self)
  }

  /// A fact as a number; nil where it is not known (yet).
  @inlinable
  public func attribute(_ attribute: NumberAttribute) -> UInt64? {
    var number: UInt64 = 0
    let status = _services.pointee.streamInfo.number(_handle, attribute.id, &number)
    return status == MARTLET_OK ? number : nil
  }

  /// Sets a value of the stream's dynamic metadata: `%DYNAMIC_METADATA(namespace:key)%`.
  @inlinable
  @discardableResult
  public func setMetadata(
    _ nameSpace: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    _ key: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    to value: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    nameSpace.withHostBytes { nameSpace in
      key.withHostBytes { key in
        value.withHostBytes { value in
          HostStatus(_services.pointee.streamInfo.set_metadata_text(_handle, nameSpace, key, value))
        }
      }
    }
  }

  /// The same with a number.
  @inlinable
  @discardableResult
  public func setMetadata(
    _ nameSpace: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    _ key: borrowing some BytesConvertible & ~Copyable & ~Escapable, to value: Double
  ) -> HostStatus {
    nameSpace.withHostBytes { nameSpace in
      key.withHostBytes { key in
        HostStatus(_services.pointee.streamInfo.set_metadata_number(_handle, nameSpace, key, value))
      }
    }
  }

  /// The same with a truth value.
  @inlinable
  @discardableResult
  public func setMetadata(
    _ nameSpace: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    _ key: borrowing some BytesConvertible & ~Copyable & ~Escapable, to value: Bool
  ) -> HostStatus {
    nameSpace.withHostBytes { nameSpace in
      key.withHostBytes { key in
        HostStatus(_services.pointee.streamInfo.set_metadata_boolean(_handle, nameSpace, key, value))
      }
    }
  }

  /// A value of the dynamic metadata as text.
  @inlinable
  @_lifetime(copy self)
  public func metadata(
    _ nameSpace: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    _ key: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> BytesView? {
    var bytes = martlet_bytes()
    let status = nameSpace.withHostBytes { nameSpace in
      key.withHostBytes { _services.pointee.streamInfo.metadata(_handle, nameSpace, $0, &bytes) }
    }
    guard status == MARTLET_OK else { return nil }
    return _overrideLifetime(BytesView(unsafe: bytes), copying: self)
  }

  /// Adds one of Envoy's response flags, for access logs: "DI" (delay injected), "FI" (fault
  /// injected), "RL" (rate limited), "RLSE", "UAEX", "RFCF" or "DO".
  @discardableResult
  public func addResponseFlag(_ flag: StaticString) -> HostStatus {
    flag.withHostBytes { HostStatus(_services.pointee.streamInfo.add_response_flag(_handle, $0)) }
  }

  /// Leaves text for other filters and `%FILTER_STATE(key:PLAIN)%`.
  @inlinable
  @discardableResult
  public func setFilterState(
    _ key: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    to value: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    key.withHostBytes { key in
      value.withHostBytes {
        HostStatus(_services.pointee.streamInfo.set_filter_state(_handle, key, $0))
      }
    }
  }

  /// What a filter has left under this key.
  @inlinable
  @_lifetime(copy self)
  public func filterState(
    _ key: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> BytesView? {
    var bytes = martlet_bytes()
    let status = key.withHostBytes {
      _services.pointee.streamInfo.filter_state(_handle, $0, &bytes)
    }
    guard status == MARTLET_OK else { return nil }
    return _overrideLifetime(BytesView(unsafe: bytes), copying: self)
  }
}
