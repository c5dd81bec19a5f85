// What can be given to the host as bytes: literals, strings, arrays, views and frozen bytes, each
// without a copy of its own.
public import CMartletABI

/// Something that has bytes. `String`, `StaticString`, `[UInt8]`, `BytesView` and `FrozenBytes` are;
/// a filter seldom has one of its own.
public protocol BytesConvertible: ~Copyable, ~Escapable {
  /// Calls `body` with the bytes, which are valid until it returns.
  borrowing func withBytes<Result>(_ body: (BytesView) -> Result) -> Result
}

extension BytesConvertible where Self: ~Copyable & ~Escapable {
  /// The same for a function of the host.
  @inlinable
  @inline(__always)
  borrowing func withHostBytes<Result>(_ body: (martlet_bytes) -> Result) -> Result {
    withBytes { body($0.hostBytes) }
  }
}

extension BytesView: BytesConvertible {
  @inlinable
  @inline(__always)
  public func withBytes<Result>(_ body: (BytesView) -> Result) -> Result { body(self) }

  @inlinable
  var hostBytes: martlet_bytes {
    martlet_bytes(data: base?.assumingMemoryBound(to: UInt8.self), size: count)
  }

  @inlinable
  @_lifetime(immortal)
  init(unsafe bytes: martlet_bytes) {
    self.init(unsafe: UnsafeRawPointer(bytes.data), count: bytes.size)
  }
}

extension StaticString: BytesConvertible {
  @inlinable
  @inline(__always)
  public func withBytes<Result>(_ body: (BytesView) -> Result) -> Result {
    if hasPointerRepresentation {
      return body(BytesView(unsafe: utf8Start, count: utf8CodeUnitCount))
    }
    return withUTF8Buffer { body(BytesView(unsafe: $0.baseAddress, count: $0.count)) }
  }
}

extension String: BytesConvertible {
  @inlinable
  @inline(__always)
  public func withBytes<Result>(_ body: (BytesView) -> Result) -> Result {
    let direct = utf8.withContiguousStorageIfAvailable {
      body(BytesView(unsafe: $0.baseAddress, count: $0.count))
    }
    if let direct { return direct }
    return Array(utf8).withBytes(body)
  }
}

extension Array: BytesConvertible where Element == UInt8 {
  @inlinable
  @inline(__always)
  public func withBytes<Result>(_ body: (BytesView) -> Result) -> Result {
    withUnsafeBytes { body(BytesView(unsafe: $0.baseAddress, count: $0.count)) }
  }
}
