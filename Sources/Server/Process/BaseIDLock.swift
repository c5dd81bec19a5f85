// One process per base id, as with Envoy.
//
// Envoy's base id names the shared memory and the sockets of a hot restart. We have no hot
// restart, but what the id protects from is real here too: with SO_REUSEPORT a second process
// with the same file binds the same ports without an error, and takes half of the traffic. So
// the id is a lock: a socket in Linux's abstract namespace, which the kernel frees with the
// process, however it ends, and which is as wide as the network namespace the ports are in.
import Glibc

/// Holds a base id for the life of the process.
struct BaseIDLock: Sendable {
  let id: UInt32
  /// Never closed: the end of the process frees it.
  private let descriptor: Int32

  /// Draws of a free id before it is given up; ids are 32 bits wide.
  private static let attempts = 64

  /// - Returns: Nil where no lock is wanted.
  static func take(_ wanted: ServerOptions.BaseID) throws(OptionError) -> BaseIDLock? {
    switch wanted {
    case .none: return nil
    case .fixed(let id):
      switch bind(id) {
      case .success(let lock): return lock
      case .failure(let problem): throw problem
      }
    case .dynamic:
      for _ in 0..<attempts {
        if case .success(let lock) = bind(UInt32.random(in: 0...UInt32.max)) { return lock }
      }
      throw OptionError("unable to choose a dynamic base id: \(attempts) drawn, none free")
    }
  }

  static func name(_ id: UInt32) -> String { "martlet_base_id_\(id)" }

  private static func bind(_ id: UInt32) -> Result<BaseIDLock, OptionError> {
    let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else {
      return .failure(OptionError("base id socket: \(String(cString: strerror(errno)))"))
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(name(id).utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { path in
      for (index, byte) in bytes.enumerated() { path[index + 1] = byte }
    }
    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
    let length = socklen_t(offset + 1 + bytes.count)
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, length) }
    }
    guard status == 0 else {
      let reason =
        errno == EADDRINUSE
        ? "another martlet holds it; give each process its own --base-id, or "
          + "--use-dynamic-base-id, or --disable-hot-restart to take none"
        : String(cString: strerror(errno))
      close(descriptor)
      return .failure(OptionError("unable to take base id \(id): \(reason)"))
    }
    return .success(BaseIDLock(id: id, descriptor: descriptor))
  }
}
