// The fields of a message, in place: nothing is copied to read them.
public import CMartletABI

/// A field of a message. Its bytes are valid for the hook, also after the field was set anew or
/// removed.
@frozen
public struct HeaderField: ~Escapable {
  /// In lower case.
  public let name: BytesView
  /// As it came or was set last.
  public let value: BytesView

  @inlinable
  @_lifetime(copy name, copy value)
  init(name: BytesView, value: BytesView) {
    self.name = name
    self.value = value
  }
}

/// The headers or trailers of a message. Names are in lower case; `:method`, `:path`, `:authority`,
/// `:scheme` and `:status` are read and set like fields, and `host` is `:authority`.
///
/// Changes fail with `.argument` for what frames a message (transfer-encoding, connection and other
/// fields of one hop) and with `.state` once the head has passed the last filter.
@frozen
public struct HeaderMap: ~Escapable {
  @usableFromInline let handle: martlet_handle
  @usableFromInline let services: UnsafePointer<HostServices>
  @usableFromInline let map: martlet_header_map

  @inlinable
  @_lifetime(immortal)
  init(
    handle: martlet_handle, services: UnsafePointer<HostServices>, map: martlet_header_map
  ) {
    self.handle = handle
    self.services = services
    self.map = map
  }

  @inlinable
  var http: martlet_host_http { services.pointee.http }

  // MARK: reading

  /// How many fields there are, without those whose names begin with a colon.
  @inlinable
  public var count: Int {
    var count = 0
    _ = http.header_count(handle, map, &count)
    return count
  }

  /// The field at `index`, from 0, in the order of the message; nil behind the last.
  @inlinable
  @_lifetime(copy self)
  public func field(at index: Int) -> HeaderField? {
    var header = martlet_header()
    guard index >= 0, http.header_at(handle, map, index, &header) == MARTLET_OK else { return nil }
    let field = HeaderField(
      name: BytesView(unsafe: header.name), value: BytesView(unsafe: header.value))
    return _overrideLifetime(field, copying: self)
  }

  /// The first field of this name.
  @inlinable
  public subscript(_ name: HeaderName) -> BytesView? {
    @_lifetime(copy self) get { value(name, at: 0) }
  }

  /// The first field of this name, which is in lower case.
  @inlinable
  public subscript(_ name: StaticString) -> BytesView? {
    @_lifetime(copy self) get { value(of: name, at: 0) }
  }

  /// The `nth` field of this name, from 0.
  @inlinable
  @_lifetime(copy self)
  public func value(_ name: HeaderName, at nth: Int) -> BytesView? {
    var bytes = martlet_bytes()
    guard nth >= 0, http.header_get_by_id(handle, map, name.id, nth, &bytes) == MARTLET_OK else {
      return nil
    }
    return _overrideLifetime(BytesView(unsafe: bytes), copying: self)
  }

  /// The `nth` field of this name, from 0; the name is in lower case.
  @inlinable
  @_lifetime(copy self)
  public func value(
    of name: borrowing some BytesConvertible & ~Copyable & ~Escapable, at nth: Int
  ) -> BytesView? {
    var bytes = martlet_bytes()
    let status = name.withHostBytes { name in
      nth >= 0 ? http.header_get(handle, map, name, nth, &bytes) : MARTLET_E_NOT_FOUND
    }
    guard status == MARTLET_OK else { return nil }
    return _overrideLifetime(BytesView(unsafe: bytes), copying: self)
  }

  /// Whether there is a field of this name.
  @inlinable
  public func contains(_ name: HeaderName) -> Bool { value(name, at: 0) != nil }

  // MARK: changing

  /// One field of this name with this value, in place of all there are.
  @inlinable
  @discardableResult
  public func set(
    _ name: HeaderName, _ value: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    value.withHostBytes { HostStatus(http.header_set_by_id(handle, map, name.id, $0)) }
  }

  /// The same by name.
  @inlinable
  @discardableResult
  public func set(
    _ name: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    _ value: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    name.withHostBytes { name in
      value.withHostBytes { HostStatus(http.header_set(handle, map, name, $0)) }
    }
  }

  /// One field more.
  @inlinable
  @discardableResult
  public func add(
    _ name: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    _ value: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    name.withHostBytes { name in
      value.withHostBytes { HostStatus(http.header_add(handle, map, name, $0)) }
    }
  }

  /// The value behind a comma at the end of the first field of this name, or a field of its own
  /// where there is none.
  @inlinable
  @discardableResult
  public func append(
    _ name: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    _ value: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    name.withHostBytes { name in
      value.withHostBytes { HostStatus(http.header_append(handle, map, name, $0)) }
    }
  }

  /// Removes all fields of this name; `.notFound` where there is none.
  @inlinable
  @discardableResult
  public func remove(_ name: HeaderName) -> HostStatus {
    HostStatus(http.header_remove_by_id(handle, map, name.id))
  }

  /// The same by name.
  @inlinable
  @discardableResult
  public func remove(
    _ name: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    name.withHostBytes { HostStatus(http.header_remove(handle, map, $0)) }
  }
}
