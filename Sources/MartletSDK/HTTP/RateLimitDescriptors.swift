// What rate limit filters count requests by: the host makes descriptors, lists of keys and values, by the
// rules of routes and virtual hosts or by those that the filter brings itself.
public import CMartletABI

/// A list of rules, each an `envoy.config.route.v3.RateLimit`.
@frozen
public struct RateLimitRules: Sendable {
  @usableFromInline let number: UInt32
  @inlinable init(number: UInt32) { self.number = number }

  /// Those of the stream's route and virtual host.
  @inlinable public static var ofRoute: RateLimitRules { RateLimitRules(number: MARTLET_ROUTE_RATE_LIMITS) }
}

/// When the rules of the virtual host count. Those of a route that asks for them count in any case.
@frozen
public enum VirtualHostRules: martlet_virtual_host_rules, Sendable {
  /// Where the route has none.
  case otherwise = 0
  case too = 1
  case not = 2
}

/// Whether the answer tells of the limit of a descriptor.
@frozen
public enum LimitHeaders: Sendable {
  /// As the filter says.
  case unspecified
  case off
  case on
}

/// The descriptors of one request; valid for the call that they are handed to.
@frozen
public struct DescriptorView: ~Escapable {
  @usableFromInline let base: UnsafePointer<UnsafePointer<martlet_descriptor>?>?
  /// How many there are.
  public let count: Int

  @inlinable
  @_lifetime(immortal)
  init(unsafe base: UnsafePointer<UnsafePointer<martlet_descriptor>?>?, count: Int) {
    self.base = base
    self.count = count
  }

  /// The descriptor at `index`, which is at least 0 and below `count`, in the order of the rules.
  @inlinable
  public subscript(_ index: Int) -> RequestDescriptor {
    @_lifetime(copy self)
    get {
      precondition(index >= 0 && index < count, "no descriptor of that index")
      let one = RequestDescriptor(unsafe: base.unsafelyUnwrapped[index].unsafelyUnwrapped)
      return _overrideLifetime(one, copying: self)
    }
  }
}

/// One descriptor of a request.
@frozen
public struct RequestDescriptor: ~Escapable {
  @usableFromInline let pointer: UnsafePointer<martlet_descriptor>

  @inlinable
  @_lifetime(immortal)
  init(unsafe pointer: UnsafePointer<martlet_descriptor>) { self.pointer = pointer }

  /// How many entries there are.
  @inlinable public var count: Int { pointer.pointee.entry_count }

  /// The key of the entry at `index`, 0 ..< `count`.
  @inlinable
  @_lifetime(copy self)
  public func key(_ index: Int) -> BytesView {
    precondition(index >= 0 && index < count, "no entry of that index")
    let view = BytesView(unsafe: pointer.pointee.entries[index].key)
    return _overrideLifetime(view, copying: self)
  }

  /// The value of the entry at `index`, 0 ..< `count`.
  @inlinable
  @_lifetime(copy self)
  public func value(_ index: Int) -> BytesView {
    precondition(index >= 0 && index < count, "no entry of that index")
    let view = BytesView(unsafe: pointer.pointee.entries[index].value)
    return _overrideLifetime(view, copying: self)
  }

  @inlinable
  func has(_ flag: UInt32) -> Bool { pointer.pointee.flags & flag != 0 }

  /// How many hits the request counts as, at most 1,000,000,000; nil: its rule says nothing.
  @inlinable public var hits: UInt64? { has(MARTLET_DESCRIPTOR_HITS) ? pointer.pointee.hits : nil }
  /// The hits are given back and not taken.
  @inlinable public var givesBack: Bool { has(MARTLET_DESCRIPTOR_GIVES_BACK) }
  /// Its rule has a `disable_key`: it is for global limits.
  @inlinable public var hasDisableKey: Bool { has(MARTLET_DESCRIPTOR_DISABLE_KEY) }
  /// And the runtime value of that key turns it off now.
  @inlinable public var isDisabled: Bool { has(MARTLET_DESCRIPTOR_DISABLED) }
  /// Another limit than the one that is kept: so many requests a unit of `type.v3.RateLimitUnit`.
  @inlinable public var limit: (requests: UInt32, unit: UInt32)? {
    guard has(MARTLET_DESCRIPTOR_LIMIT) else { return nil }
    return (pointer.pointee.limit_requests, pointer.pointee.limit_unit)
  }
  @inlinable public var headers: LimitHeaders {
    if has(MARTLET_DESCRIPTOR_HEADERS_OFF) { return .off }
    return has(MARTLET_DESCRIPTOR_HEADERS_ON) ? .on : .unspecified
  }
}

extension HTTPStream {
  /// Calls `body` with the stream's descriptors. `body` must not ask for descriptors itself. Nil, and no
  /// call, where the host knows no rate limits (`ConfigurationScope.knowsRateLimits`).
  ///
  /// - Parameters:
  ///   - stage: of a route's rules, those of this stage, 0 to 10.
  ///   - atEnd: of a filter's own rules, those that count when the stream has ended.
  @inlinable
  public func withDescriptors<Result>(
    _ rules: RateLimitRules, stage: Int = 0, virtualHost: VirtualHostRules = .otherwise, atEnd: Bool = false,
    _ body: (DescriptorView) -> Result
  ) -> Result? {
    guard let function = _services.pointee.rateLimit.descriptors, let stage = UInt32(exactly: stage) else {
      return nil
    }
    var query = martlet_descriptor_query()
    query.size = UInt32(MemoryLayout<martlet_descriptor_query>.size)
    query.rules = rules.number
    query.stage = stage
    query.virtual_host = virtualHost.rawValue
    query.at_end = atEnd
    var base: UnsafePointer<UnsafePointer<martlet_descriptor>?>?
    var count = 0
    guard function(_handle, &query, &base, &count) == MARTLET_OK else { return nil }
    return body(DescriptorView(unsafe: base, count: count))
  }
}

extension ConfigurationScope {
  /// Whether the host makes descriptors.
  public var knowsRateLimits: Bool { _services.pointee.rateLimit.rules != nil }

  /// A filter's own rules, each a message `envoy.config.route.v3.RateLimit`. What is wrong with them the
  /// host reports below `path`.
  public func rateLimitRules(
    _ messages: [[UInt8]], encoding: ConfigurationEncoding = .protobuf, at path: String
  ) throws -> RateLimitRules {
    guard let function = _services.pointee.rateLimit.rules else {
      throw ConfigurationError("this proxy knows no rate limits", at: path)
    }
    var number: UInt32 = 0
    let status = path.withHostBytes { path in
      withBorrowedBytes(messages) { bytes in
        bytes.withUnsafeBufferPointer { bytes in
          function(
            _handle, path, encoding == .protobuf ? MARTLET_PROTOBUF : MARTLET_JSON, bytes.baseAddress,
            bytes.count, &number)
        }
      }
    }
    switch status {
    case MARTLET_OK: return RateLimitRules(number: number)
    case MARTLET_E_LIMIT: throw ConfigurationError("more than the proxy allows", at: path)
    case MARTLET_E_ARGUMENT: throw ConfigurationError(reportedAt: path)
    default: throw ConfigurationError("asked after the configuration was read", at: path)
    }
  }
}
