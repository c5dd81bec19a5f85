// Bytes that belong to the host, seen in place. The compiler keeps a view inside the hook that
// got it: it cannot be stored, returned or captured. What is to be kept is copied (`String(_:)`).

/// Bytes of the host: a header's value, a piece of a body, the text of a format.
///
/// A view costs nothing to make and is valid for the hook that made it, or for as long as the body
/// it was taken from is not changed; both are checked when the plugin is compiled.
@frozen
public struct BytesView: ~Escapable {
  @usableFromInline let base: UnsafeRawPointer?
  /// How many bytes there are.
  public let count: Int

  /// The bytes that a C function has given; valid for as long as its caller says by the attributes.
  @inlinable
  @_lifetime(immortal)
  init(unsafe base: UnsafeRawPointer?, count: Int) {
    self.base = base
    self.count = count
  }

  /// No bytes.
  @inlinable
  public static var empty: BytesView {
    @_lifetime(immortal) get { BytesView(unsafe: nil, count: 0) }
  }

  /// Whether there are none.
  @inlinable
  public var isEmpty: Bool { count == 0 }

  /// The bytes as a span of the standard library.
  @inlinable
  public var span: RawSpan {
    @_lifetime(copy self)
    get {
      let span = RawSpan(_unsafeStart: base ?? UnsafeRawPointer(bitPattern: 1)!, byteCount: count)
      return _overrideLifetime(span, copying: self)
    }
  }

  /// The byte at `index`, which is at least 0 and below `count`.
  @inlinable
  public subscript(_ index: Int) -> UInt8 {
    precondition(index >= 0 && index < count, "no byte of that index")
    return base!.load(fromByteOffset: index, as: UInt8.self)
  }

  /// The bytes from `bounds.lowerBound` up to, not with, `bounds.upperBound`.
  @inlinable
  @_lifetime(copy self)
  public func slice(_ bounds: Range<Int>) -> BytesView {
    precondition(bounds.lowerBound >= 0 && bounds.upperBound <= count, "no bytes at that place")
    let part = BytesView(unsafe: base.map { $0 + bounds.lowerBound }, count: bounds.count)
    return _overrideLifetime(part, copying: self)
  }

  /// The index of the first such byte at or behind `start`, or nil.
  @inlinable
  public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    var index = start
    while index < count {
      if self[index] == byte { return index }
      index += 1
    }
    return nil
  }

  /// Whether the bytes are those of `other`.
  @inlinable
  public func equals(_ other: borrowing some BytesConvertible & ~Copyable & ~Escapable) -> Bool {
    other.withBytes { other in
      guard other.count == count else { return false }
      for index in 0..<count where other[index] != self[index] { return false }
      return true
    }
  }

  /// As `equals`, where the letters A to Z are as good as a to z.
  @inlinable
  public func equalsIgnoringCase(
    _ other: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> Bool {
    other.withBytes { other in
      guard other.count == count else { return false }
      for index in 0..<count
      where BytesView.lower(other[index]) != BytesView.lower(self[index]) { return false }
      return true
    }
  }

  /// Whether the bytes begin with `prefix`.
  @inlinable
  public func hasPrefix(_ prefix: borrowing some BytesConvertible & ~Copyable & ~Escapable) -> Bool {
    prefix.withBytes { prefix in
      guard prefix.count <= count else { return false }
      for index in 0..<prefix.count where prefix[index] != self[index] { return false }
      return true
    }
  }

  /// Whether the bytes end with `suffix`.
  @inlinable
  public func hasSuffix(_ suffix: borrowing some BytesConvertible & ~Copyable & ~Escapable) -> Bool {
    suffix.withBytes { suffix in
      guard suffix.count <= count else { return false }
      let start = count - suffix.count
      for index in 0..<suffix.count where suffix[index] != self[start + index] { return false }
      return true
    }
  }

  /// The number that the bytes are in decimal digits and nothing else, or nil, also where it is
  /// above `UInt64.max`.
  @inlinable
  public var decimal: UInt64? {
    if count == 0 { return nil }
    var number: UInt64 = 0
    for index in 0..<count {
      let digit = self[index] &- 0x30
      guard digit < 10 else { return nil }
      let (tens, overflowed) = number.multipliedReportingOverflow(by: 10)
      let (sum, overflowedAgain) = tens.addingReportingOverflow(UInt64(digit))
      if overflowed || overflowedAgain { return nil }
      number = sum
    }
    return number
  }

  @inlinable
  static func lower(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
  }
}

extension String {
  /// A copy of the bytes; what is not UTF-8 becomes U+FFFD.
  @inlinable
  public init(_ bytes: BytesView) {
    self = String(
      decoding: UnsafeRawBufferPointer(start: bytes.base, count: bytes.count), as: UTF8.self)
  }
}

extension String {
  /// A copy of the bytes, where there are some: `String(stream.requestHeaders["x-user"])`.
  @inlinable
  public init?(_ bytes: BytesView?) {
    guard let bytes else { return nil }
    self.init(bytes)
  }
}

extension Array where Element == UInt8 {
  /// A copy of the bytes.
  @inlinable
  public init(_ bytes: BytesView) {
    self = Array(UnsafeRawBufferPointer(start: bytes.base, count: bytes.count))
  }
}
