// Values that all scopes, workers and versions of a plugin share.
import CMartletABI

/// A value with the version that a later `set` can insist on.
public struct SharedValue: Sendable {
  /// A copy of it.
  public let bytes: [UInt8]
  /// Another number after every set.
  public let version: UInt64
}

/// What a `set` of shared data insists on.
public enum SharedExpectation: Sendable {
  /// Nothing.
  case anything
  /// That there is no value yet.
  case absent
  /// That the value is still of this version.
  case version(UInt64)
}

/// Under a lock of the host, from any thread: not for every request. At most 64 KiB a value.
extension HostScope where Self: ~Copyable & ~Escapable {
  /// A copy of the value at `key`.
  public func sharedData(_ key: String) -> SharedValue? {
    guard let get = _services.pointee.sharedData.get else { return nil }
    var capacity = 256
    while true {
      var size = 0
      var version: UInt64 = 0
      var status = MARTLET_OK
      var bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        status = key.withHostBytes {
          get(_services.pointee.plugin, $0, buffer.baseAddress, capacity, &size, &version)
        }
        count = status == MARTLET_OK ? min(size, capacity) : 0
      }
      guard status == MARTLET_OK else { return nil }
      if size > capacity {
        capacity = size
        continue
      }
      bytes.removeLast(bytes.count - size)
      return SharedValue(bytes: bytes, version: version)
    }
  }

  /// Sets the value at `key`; `.conflict` where it is not as expected.
  @discardableResult
  public func setSharedData(
    _ key: String, to value: borrowing some BytesConvertible & ~Copyable & ~Escapable,
    expecting: SharedExpectation = .anything
  ) -> HostStatus {
    guard let set = _services.pointee.sharedData.set else { return .notFound }
    let expected: UInt64 =
      switch expecting {
      case .anything: 0
      case .absent: .max
      case .version(let version): version
      }
    return key.withHostBytes { key in
      value.withHostBytes { HostStatus(set(_services.pointee.plugin, key, $0, expected)) }
    }
  }

  /// Removes the value at `key`.
  @discardableResult
  public func removeSharedData(_ key: String) -> HostStatus {
    guard let remove = _services.pointee.sharedData.remove else { return .notFound }
    return key.withHostBytes { HostStatus(remove(_services.pointee.plugin, $0)) }
  }
}
