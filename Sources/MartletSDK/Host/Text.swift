// Formats, regular expressions and runtime values: defined with the configuration by text, used on
// the workers by number.
public import CMartletABI

/// Text with Envoy's operators, compiled: "%REQ(x-user)%". Made by `ConfigurationScope.format`.
@frozen
public struct Format: Sendable {
  @usableFromInline let id: UInt32
  @inlinable init(id: UInt32) { self.id = id }
}

/// A regular expression in RE2's syntax, compiled. Made by `ConfigurationScope.regex`.
@frozen
public struct RegularExpression: Sendable {
  @usableFromInline let id: UInt32
  @inlinable init(id: UInt32) { self.id = id }
}

/// A key of Envoy's runtime: its value can change while the proxy runs. Made by
/// `ConfigurationScope.runtimeKey`.
@frozen
public struct RuntimeKey: Sendable {
  @usableFromInline let id: UInt32
  @inlinable init(id: UInt32) { self.id = id }
}

extension WorkerBoundScope where Self: ~Copyable & ~Escapable {
  /// Whether the whole of `text` matches.
  @inlinable
  public func matches(
    _ regex: RegularExpression, _ text: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> Bool {
    text.withHostBytes { text in
      var matched = false
      let status = _services.pointee.text.matches(_handle, regex.id, text, &matched)
      return status == MARTLET_OK && matched
    }
  }

  /// The whole number at a runtime key, or `otherwise`.
  @inlinable
  public func runtime(_ key: RuntimeKey, otherwise: UInt64) -> UInt64 {
    var value = otherwise
    let status = _services.pointee.text.runtime_number(_handle, key.id, otherwise, &value)
    return status == MARTLET_OK ? value : otherwise
  }

  /// The truth value at a runtime key, or `otherwise`.
  @inlinable
  public func runtime(_ key: RuntimeKey, otherwise: Bool) -> Bool {
    var value = otherwise
    let status = _services.pointee.text.runtime_boolean(_handle, key.id, otherwise, &value)
    return status == MARTLET_OK ? value : otherwise
  }

  /// Whether `random` falls into the share at a runtime key, or else into `numerator` of
  /// `denominator`.
  @inlinable
  public func runtimeShare(
    _ key: RuntimeKey, numerator: UInt32, denominator: UInt32, random: UInt64
  ) -> Bool {
    var inside = false
    let status = _services.pointee.text.runtime_share(
      _handle, key.id, numerator, denominator, random, &inside)
    return status == MARTLET_OK && inside
  }
}

/// A stream or a connection: what is known of it, and what filters leave there for each other.
public protocol StreamScope: WorkerBoundScope, ~Copyable, ~Escapable {}

extension StreamScope where Self: ~Copyable & ~Escapable {
  /// A format's text for this stream.
  @inlinable
  @_lifetime(copy self)
  public func text(of format: Format) -> BytesView {
    var bytes = martlet_bytes()
    _ = _services.pointee.text.format(_handle, format.id, &bytes)
    return _overrideLifetime(BytesView(unsafe: bytes), copying: self)
  }

  /// `text` with every match replaced; `\1` to `\9` in the substitution are groups, `\0` the match.
  /// Nil where the substitution names a group that the expression does not have.
  @inlinable
  @_lifetime(copy self)
  public func replacing(
    _ regex: RegularExpression, in text: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    with substitution: borrowing some BytesConvertible & ~Copyable & ~Escapable
  ) -> BytesView? {
    var bytes = martlet_bytes()
    let status = text.withHostBytes { text in
      substitution.withHostBytes { substitution in
        _services.pointee.text.replace(_handle, regex.id, text, substitution, &bytes)
      }
    }
    guard status == MARTLET_OK else { return nil }
    return _overrideLifetime(BytesView(unsafe: bytes), copying: self)
  }
}
