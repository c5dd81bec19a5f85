// Values that all versions and scopes of one plugin share, by name, under a lock.
import CMartletABI
import Model

final class SharedData: Sendable {
  static let valueLimit = 64 << 10
  static let pluginLimit = 16 << 20

  private struct Value {
    var bytes: [UInt8]
    var version: UInt64
  }
  private struct Store {
    var values: [[UInt8]: Value] = [:]
    var size = 0
  }
  private struct State {
    var stores: [String: Store] = [:]
    var lastVersion: UInt64 = 0
  }
  private let state = Locked(State())

  func get(_ plugin: String, _ key: [UInt8]) -> (bytes: [UInt8], version: UInt64)? {
    state.withLock { state in
      state.stores[plugin]?.values[key].map { ($0.bytes, $0.version) }
    }
  }

  func set(_ plugin: String, _ key: [UInt8], _ bytes: [UInt8], expected: UInt64) -> martlet_status {
    guard bytes.count <= Self.valueLimit, key.count <= Self.valueLimit else { return MARTLET_E_LIMIT }
    return state.withLock { state in
      var store = state.stores[plugin] ?? Store()
      let old = store.values[key]
      if expected == .max ? old != nil : expected != 0 && old?.version != expected {
        return MARTLET_E_CONFLICT
      }
      let size = store.size - (old.map { $0.bytes.count + key.count } ?? 0) + bytes.count + key.count
      guard size <= Self.pluginLimit else { return MARTLET_E_LIMIT }
      state.lastVersion += 1
      store.values[key] = Value(bytes: bytes, version: state.lastVersion)
      store.size = size
      state.stores[plugin] = store
      return MARTLET_OK
    }
  }

  func remove(_ plugin: String, _ key: [UInt8]) -> martlet_status {
    state.withLock { state in
      guard let old = state.stores[plugin]?.values.removeValue(forKey: key) else {
        return MARTLET_E_NOT_FOUND
      }
      state.stores[plugin]?.size -= old.bytes.count + key.count
      return MARTLET_OK
    }
  }

  nonisolated(unsafe) static let table: UnsafePointer<martlet_host_shared_data> = {
    let table = UnsafeMutablePointer<martlet_host_shared_data>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_shared_data(
        size: UInt32(MemoryLayout<martlet_host_shared_data>.size),
        get: { handle, key, buffer, capacity, size, version in
          guard let host = HostConfigServices.host, let id = host.pluginID(handle) else {
            return MARTLET_E_GONE
          }
          guard let (bytes, number) = host.shared.get(id, [UInt8](key)) else { return MARTLET_E_NOT_FOUND }
          let count = Swift.min(capacity, bytes.count)
          if let buffer { for index in 0..<count { buffer[index] = bytes[index] } }
          size?.pointee = bytes.count
          version?.pointee = number
          return MARTLET_OK
        },
        set: { handle, key, value, expected in
          guard let host = HostConfigServices.host, let id = host.pluginID(handle) else {
            return MARTLET_E_GONE
          }
          return host.shared.set(id, [UInt8](key), [UInt8](value), expected: expected)
        },
        remove: { handle, key in
          guard let host = HostConfigServices.host, let id = host.pluginID(handle) else {
            return MARTLET_E_GONE
          }
          return host.shared.remove(id, [UInt8](key))
        }))
    return UnsafePointer(table)
  }()
}
