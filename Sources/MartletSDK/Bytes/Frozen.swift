// What a configuration compiles to and every worker reads: bytes and lists without a reference
// count. An array in shared settings would have its count changed by all workers at once, which
// costs more than what is done with it.

/// Bytes that never change, owned by one place.
@frozen
public struct FrozenBytes: ~Copyable, @unchecked Sendable, BytesConvertible {
  @usableFromInline let base: UnsafeMutablePointer<UInt8>
  /// How many there are.
  public let count: Int

  /// A copy of the bytes of `source`.
  public init(_ source: borrowing some BytesConvertible & ~Copyable & ~Escapable) {
    (base, count) = source.withBytes { bytes in
      let base = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
      for index in 0..<bytes.count { base[index] = bytes[index] }
      return (base, bytes.count)
    }
  }

  deinit { base.deallocate() }

  /// The bytes, for as long as they are not given away.
  @inlinable
  public var view: BytesView {
    @_lifetime(borrow self)
    get {
      let view = BytesView(unsafe: base, count: count)
      return _overrideLifetime(view, borrowing: self)
    }
  }

  @inlinable
  @inline(__always)
  public borrowing func withBytes<Result>(_ body: (BytesView) -> Result) -> Result {
    body(BytesView(unsafe: base, count: count))
  }
}

/// A list that never changes, owned by one place; its elements are borrowed where they lie.
@frozen
public struct FrozenList<Element: ~Copyable>: ~Copyable {
  @usableFromInline let base: UnsafeMutablePointer<Element>
  /// How many there are.
  public let count: Int

  /// A list of `count` elements, made one after the other.
  public init(count: Int, _ element: (Int) throws -> Element) rethrows {
    precondition(count >= 0, "a list of fewer than no elements")
    let base = UnsafeMutablePointer<Element>.allocate(capacity: max(count, 1))
    var made = 0
    do {
      while made < count {
        (base + made).initialize(to: try element(made))
        made += 1
      }
    } catch {
      base.deinitialize(count: made)
      base.deallocate()
      throw error
    }
    self.base = base
    self.count = count
  }

  deinit {
    base.deinitialize(count: count)
    base.deallocate()
  }

  /// Whether there are none.
  @inlinable
  public var isEmpty: Bool { count == 0 }

  /// The elements: `list.span[index]` borrows one.
  @inlinable
  public var span: Span<Element> {
    @_lifetime(borrow self)
    get {
      let span = Span(_unsafeStart: base, count: count)
      return _overrideLifetime(span, borrowing: self)
    }
  }
}

extension FrozenList {
  /// A list of what `elements` has.
  public init(_ elements: some Collection<Element>) {
    var next = elements.makeIterator()
    self.init(count: elements.count) { _ in next.next()! }
  }
}

extension FrozenList: @unchecked Sendable where Element: Sendable & ~Copyable {}
