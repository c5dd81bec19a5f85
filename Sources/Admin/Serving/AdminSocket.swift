// The admin's listening socket, opened without NIO: at once, on the caller's thread, so that a
// port in use is an error before anything else has started, and so that the real address is
// known (`--admin-address-path`) before the first event loop runs.
import Glibc
public import Model

/// A bound, listening, non-blocking socket. Closed by whoever takes it over.
public struct AdminSocket: Sendable {
  /// Why there is no socket.
  public struct Problem: Error, CustomStringConvertible {
    public let description: String
  }
  public let descriptor: Int32
  /// Port resolved.
  public let address: SocketAddress

  /// Connections that wait to be accepted; `net.core.somaxconn` may make it fewer.
  private static let backlog: Int32 = 128

  public init(bindingTo wanted: SocketAddress) throws(Problem) {
    let family: Int32 =
      switch wanted {
      case .ip(let ip, _): ip.family == .v4 ? AF_INET : AF_INET6
      case .unix, .unixAbstract: AF_UNIX
      }
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else { throw Self.problem("socket", wanted) }
    do {
      try Self.bindAndListen(descriptor, wanted)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    if case .ip(let ip, _) = wanted {
      address = .ip(ip, port: Self.boundPort(descriptor))
    } else {
      address = wanted
    }
  }

  /// One that listens already, at the address that was wanted.
  public init(keeping descriptor: Int32, of wanted: SocketAddress) {
    self.descriptor = descriptor
    if case .ip(let ip, _) = wanted {
      address = .ip(ip, port: Self.boundPort(descriptor))
    } else {
      address = wanted
    }
  }

  private static func bindAndListen(
    _ descriptor: Int32, _ wanted: SocketAddress
  ) throws(Problem) {
    var one: Int32 = 1
    if case .ip = wanted {
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    }
    var storage = sockaddr_storage()
    let length = try fill(&storage, with: wanted)
    if case .unix(let path, _) = wanted { removeStaleSocket(path) }
    let bound = withUnsafePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    guard bound == 0 else { throw problem("bind", wanted) }
    if case .unix(let path, let mode) = wanted, mode != 0 {
      guard chmod(path, mode_t(mode)) == 0 else { throw problem("chmod", wanted) }
    }
    guard listen(descriptor, backlog) == 0 else { throw problem("listen", wanted) }
  }

  /// The length of the address that was written.
  private static func fill(
    _ storage: inout sockaddr_storage, with address: SocketAddress
  ) throws(Problem) -> socklen_t {
    switch address {
    case .ip(let ip, let port) where ip.family == .v4:
      var v4 = sockaddr_in()
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = port.bigEndian
      v4.sin_addr.s_addr = UInt32(ip.high >> 32).bigEndian
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v4, as: sockaddr_in.self) }
      return socklen_t(MemoryLayout<sockaddr_in>.size)
    case .ip(let ip, let port):
      var v6 = sockaddr_in6()
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = port.bigEndian
      withUnsafeMutableBytes(of: &v6.sin6_addr) {
        $0.storeBytes(of: ip.high.bigEndian, as: UInt64.self)
        $0.storeBytes(of: ip.low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: v6, as: sockaddr_in6.self) }
      return socklen_t(MemoryLayout<sockaddr_in6>.size)
    case .unix(let path, _): return try fill(&storage, path: Array(path.utf8), of: address)
    case .unixAbstract(let name):
      return try fill(&storage, path: [0] + Array(name.utf8), of: address)
    }
  }

  private static func fill(
    _ storage: inout sockaddr_storage, path: [UInt8], of address: SocketAddress
  ) throws(Problem) -> socklen_t {
    // A name in the file system ends in a NUL; an abstract one is as long as it is.
    guard path.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
      throw Problem(description: "cannot bind admin '\(address)': the path is too long")
    }
    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
    withUnsafeMutableBytes(of: &storage) { bytes in
      bytes.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
      for (index, byte) in path.enumerated() { bytes[offset + index] = byte }
    }
    return socklen_t(offset + path.count + (path.first == 0 ? 0 : 1))
  }

  /// A socket file that nobody listens on is left from a process that is gone. A living one, or
  /// a file that is no socket, stays, and `bind` says so.
  private static func removeStaleSocket(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard probe >= 0 else { return }
    defer { close(probe) }
    var storage = sockaddr_storage()
    guard let length = try? fill(&storage, with: .unix(path: path, mode: 0)) else { return }
    let connected = withUnsafePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, length) }
    }
    if connected != 0, errno == ECONNREFUSED { unlink(path) }
  }

  private static func boundPort(_ descriptor: Int32) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    _ = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    // The port stands at the same place in both families.
    return withUnsafeBytes(of: &storage) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
  }

  private static func problem(_ call: String, _ address: SocketAddress) -> Problem {
    Problem(description: "cannot bind admin '\(address)': \(call): \(String(cString: strerror(errno)))")
  }
}
