// One request and its response, as a filter sees them.
public import CMartletABI

/// Which message of a stream.
@frozen
public enum MessageDirection: martlet_direction, Sendable {
  case request = 0
  case response = 1
}

/// One request and its response, from the place of this filter in its chain. Valid for the hook
/// that it is handed to; on the stream's worker thread alone.
@frozen
public struct HTTPStream: StreamScope, ~Copyable, ~Escapable {
  public let _handle: martlet_handle
  public let _services: UnsafePointer<HostServices>
  @usableFromInline let worker: UnsafePointer<WorkerRecord>

  @inlinable
  @_lifetime(immortal)
  init(_ header: SlotHeader) {
    _handle = header.handle
    worker = UnsafePointer(header.worker)
    _services = header.worker.pointee.services
  }

  @inlinable
  var http: martlet_host_http { _services.pointee.http }

  // MARK: messages

  /// The request's headers. Can be changed until they have passed the last filter.
  @inlinable
  public var requestHeaders: HeaderMap {
    @_lifetime(copy self) get { map(MARTLET_REQUEST_HEADERS) }
  }

  /// The request's trailers, where it has any.
  @inlinable
  public var requestTrailers: HeaderMap {
    @_lifetime(copy self) get { map(MARTLET_REQUEST_TRAILERS) }
  }

  /// The response's headers, once there is one.
  @inlinable
  public var responseHeaders: HeaderMap {
    @_lifetime(copy self) get { map(MARTLET_RESPONSE_HEADERS) }
  }

  /// The response's trailers, where it has any.
  @inlinable
  public var responseTrailers: HeaderMap {
    @_lifetime(copy self) get { map(MARTLET_RESPONSE_TRAILERS) }
  }

  @inlinable
  @_lifetime(copy self)
  func map(_ map: martlet_header_map) -> HeaderMap {
    let view = HeaderMap(handle: _handle, services: _services, map: map)
    return _overrideLifetime(view, copying: self)
  }

  /// What this filter has before it of the request's body: in the hooks of the request.
  @inlinable
  public var requestBody: MessageBody {
    @_lifetime(&self)
    mutating get {
      let body = MessageBody(handle: _handle, services: _services, direction: .request)
      return _overrideLifetime(body, mutating: &self)
    }
  }

  /// What this filter has before it of the response's body: in the hooks of the response.
  @inlinable
  public var responseBody: MessageBody {
    @_lifetime(&self)
    mutating get {
      let body = MessageBody(handle: _handle, services: _services, direction: .response)
      return _overrideLifetime(body, mutating: &self)
    }
  }

  /// How many bytes of a message's body this filter holds.
  @inlinable
  public func heldBytes(_ direction: MessageDirection) -> Int {
    var size = 0
    _ = http.body_size(_handle, direction.rawValue, &size)
    return size
  }

  /// Lets the first `count` of the held bytes go on, the head before them where it is held, while
  /// the filter stays stopped. Not in hooks of the same message: from a timer, a wake or a hook of
  /// the other one.
  @inlinable
  @discardableResult
  public func pass(_ direction: MessageDirection, count: Int) -> HostStatus {
    HostStatus(http.body_pass(_handle, direction.rawValue, count))
  }

  /// Gives a message trailers, to be filled: in a headers or body hook whose `end` is true.
  @inlinable
  @discardableResult
  public func createTrailers(_ direction: MessageDirection) -> HostStatus {
    HostStatus(http.trailers_create(_handle, direction.rawValue))
  }

  /// Goes on behind this filter, when the hook has returned. Nothing where it has not stopped.
  @inlinable
  @discardableResult
  public func resume(_ direction: MessageDirection) -> HostStatus {
    HostStatus(http.continue_message(_handle, direction.rawValue))
  }

  /// How much of a message filters may hold, in bytes.
  @inlinable
  public var bufferLimit: Int {
    var limit = 0
    _ = http.buffer_limit(_handle, &limit)
    return limit
  }

  /// Sets it for this stream.
  @inlinable
  @discardableResult
  public func setBufferLimit(_ bytes: Int) -> HostStatus {
    HostStatus(http.set_buffer_limit(_handle, bytes))
  }

  // MARK: answers

  /// Answers in the proxy's name. What follows from it happens when the hook has returned, whose
  /// status then means nothing. The response passes the response hooks of all filters, unless one of
  /// them has seen a response already; one whose head is on its way to the client is broken off.
  @discardableResult
  public func reply(_ reply: LocalReply) -> HostStatus {
    reply.withHostReply { HostStatus(http.reply(_handle, $0)) }
  }

  /// The same for an answer whose body follows bit by bit (`continueReply`).
  @discardableResult
  public func startReply(_ reply: LocalReply) -> HostStatus {
    reply.withHostReply { HostStatus(http.reply_start(_handle, $0)) }
  }

  /// More of the body of an answer that `startReply` began; `end`: the last.
  @discardableResult
  public func continueReply(
    _ bytes: borrowing some BytesConvertible & ~Copyable & ~Escapable, end: Bool
  ) -> HostStatus {
    bytes.withHostBytes { HostStatus(http.reply_body(_handle, $0, end)) }
  }

  /// Breaks the stream off.
  @discardableResult
  public func reset() -> HostStatus { HostStatus(http.reset(_handle)) }

  // MARK: routes

  /// Calls `body` with this filter's settings for the stream's route; `level` 0 are the most
  /// specific (of a weighted cluster, the route, the virtual host, the route table, in this order,
  /// those that have some). Nil, and no call, where there are none. `type` is the filter's
  /// `RouteSettings`.
  @inlinable
  @inline(__always)
  public func withRouteSettings<Settings: FilterSettings, Result>(
    _ type: Settings.Type, level: Int = 0, _ body: (Settings) -> Result
  ) -> Result? {
    precondition(
      ObjectIdentifier(type) == worker.pointee.routeSettings, "not this filter's RouteSettings")
    var found: UnsafeMutableRawPointer?
    guard let level = UInt32(exactly: level),
      http.route_config(_handle, level, &found) == MARTLET_OK, let found
    else { return nil }
    return Unmanaged<Settings>.fromOpaque(found)._withUnsafeGuaranteedRef { body($0) }
  }

  /// Finds the route again, with the request as it is now: before the request's head has passed the
  /// last filter.
  @discardableResult
  public func clearRoute() -> HostStatus { HostStatus(http.clear_route(_handle)) }

  /// Sends the request to this cluster instead of the route's.
  @discardableResult
  public func setCluster(
    _ name: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> HostStatus {
    name.withHostBytes { HostStatus(http.set_cluster(_handle, $0)) }
  }
}
