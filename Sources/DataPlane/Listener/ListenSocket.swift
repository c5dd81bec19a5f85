// Opening listening sockets, on the control side: all of them or none.
import CMartletSystem
import Model

/// Where a listener's socket stands, once it does.
struct BoundAddress {
  let configured: Listener.Address
  let options: [SocketOption]
  /// The port resolved.
  let actual: SocketAddress
  /// What the listener asked for that a socket is made by.
  let key: Key

  struct Key: Hashable {
    let address: Listener.Address
    let options: [SocketOption]
    let reusePort: Bool
    let backlog: Int32?
    let fastOpen: Int32?
    let transparent: Bool
    let freebind: Bool
  }

  static func key(_ address: Listener.Address, _ listener: Listener) -> Key {
    Key(
      address: address, options: address.socketOptions ?? listener.socketOptions,
      reusePort: listener.enableReusePort, backlog: listener.backlog,
      fastOpen: listener.tcpFastOpenQueueLength, transparent: listener.transparent,
      freebind: listener.freebind)
  }
}

enum ListenSocket {
  struct Failure: Error { let text: String }

  /// Sockets that were opened.
  struct Opened {
    let bound: BoundAddress
    /// For each worker.
    let descriptors: [Int32]
    /// They were kept by somebody, and are as they were.
    let wasKept: Bool
  }

  /// A socket for each worker.
  static func open(
    _ address: Listener.Address, listener: Listener, workers: Int, keeper: SocketKeeper?
  ) throws(Failure) -> Opened {
    let key = BoundAddress.key(address, listener)
    var wasKept = false
    func socket(_ worker: Int, _ wanted: SocketAddress) throws(Failure) -> Int32 {
      guard let known = keeper?.take(keptName(address, listener, worker: worker)) else {
        return try openOne(wanted, key)
      }
      wasKept = true
      return known
    }
    let first = try socket(0, address.address)
    guard let actual = ListenSocketAddress.local(of: first) ?? Optional(address.address) else {
      throw Failure(text: "no address")
    }
    var descriptors = [first]
    do throws(Failure) {
      for worker in 1..<Swift.max(workers, 1) {
        var isIP = false
        if case .ip = address.address { isIP = true }
        if isIP, listener.enableReusePort {
          descriptors.append(try socket(worker, withPort(address.address, of: actual)))
        } else {
          let copy = martlet_duplicate(first)
          if copy < 0 { throw failure("fcntl", Int32(-copy)) }
          descriptors.append(Int32(copy))
        }
      }
    } catch {
      for descriptor in descriptors { martlet_close(descriptor) }
      throw error
    }
    let bound = BoundAddress(
      configured: address, options: key.options, actual: actual, key: key)
    return Opened(bound: bound, descriptors: descriptors, wasKept: wasKept)
  }

  /// The configured address with the port that the first socket was given.
  private static func withPort(_ address: SocketAddress, of actual: SocketAddress) -> SocketAddress {
    guard case .ip(let ip, _) = address, case .ip(_, let port) = actual else { return address }
    return .ip(ip, port: port)
  }

  private static func failure(_ call: String, _ code: Int32) -> Failure {
    Failure(text: "\(call): \(String(cString: strerror(code)))")
  }

  private static func openOne(
    _ address: SocketAddress, _ key: BoundAddress.Key
  ) throws(Failure) -> Int32 {
    guard var system = SystemAddress(address) else {
      throw Failure(text: "the path is longer than the 107 bytes that a socket's name can have")
    }
    let made = martlet_stream_socket(system.family)
    if made < 0 { throw failure("socket", Int32(-made)) }
    let descriptor = Int32(made)
    do throws(Failure) {
      try setOptions(descriptor, address, key)
      try apply(key.options, at: .preBind, descriptor)
      if case .unix(let path, _) = address { try removeStale(path, system) }
      let bound = martlet_bind(descriptor, &system.storage, system.length)
      if bound < 0 { throw failure("bind", Int32(-bound)) }
      if case .unix(let path, let mode) = address, mode != 0, chmod(path, mode_t(mode)) != 0 {
        throw Failure(text: "chmod: cannot set the mode of the socket")
      }
      try apply(key.options, at: .bound, descriptor)
      let listening = martlet_listen(descriptor, key.backlog ?? systemBacklog())
      if listening < 0 { throw failure("listen", Int32(-listening)) }
      try apply(key.options, at: .listening, descriptor)
    } catch {
      martlet_close(descriptor)
      throw error
    }
    return descriptor
  }

  /// The kernel cuts it to `net.core.somaxconn`.
  private static func systemBacklog() -> Int32 { .max }

  private static func setOptions(
    _ descriptor: Int32, _ address: SocketAddress, _ key: BoundAddress.Key
  ) throws(Failure) {
    guard case .ip(let ip, _) = address else { return }
    func set(_ level: Int32, _ name: Int32, _ value: Int32, _ what: String) throws(Failure) {
      let result = martlet_set_option_int(descriptor, level, name, value)
      if result < 0 { throw failure(what, -result) }
    }
    try set(SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR")
    if key.reusePort { try set(SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT") }
    // Inherited by accepted sockets: no call is made for each.
    try set(Int32(IPPROTO_TCP), TCP_NODELAY, 1, "TCP_NODELAY")
    if ip.family == .v6 {
      try set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, key.address.ipv4Compatible ? 0 : 1, "IPV6_V6ONLY")
    }
    if key.transparent {
      if ip.family == .v4 {
        try set(Int32(IPPROTO_IP), IP_TRANSPARENT, 1, "IP_TRANSPARENT")
      } else {
        try set(Int32(IPPROTO_IPV6), IPV6_TRANSPARENT, 1, "IPV6_TRANSPARENT")
      }
    }
    if key.freebind {
      if ip.family == .v4 {
        try set(Int32(IPPROTO_IP), IP_FREEBIND, 1, "IP_FREEBIND")
      } else {
        try set(Int32(IPPROTO_IPV6), 78, 1, "IPV6_FREEBIND")
      }
    }
    if let length = key.fastOpen {
      try set(Int32(IPPROTO_TCP), TCP_FASTOPEN, length, "TCP_FASTOPEN")
    }
  }

  private static func apply(
    _ options: [SocketOption], at state: SocketOption.State, _ descriptor: Int32
  ) throws(Failure) {
    for option in options where option.state == state {
      let result: Int32
      switch option.value {
      case .int(let value):
        result = martlet_set_option_int(
          descriptor, option.level, option.name, Int32(truncatingIfNeeded: value))
      case .bytes(let bytes):
        result = bytes.withUnsafeBytes {
          martlet_set_option(
            descriptor, option.level, option.name, $0.baseAddress, socklen_t(bytes.count))
        }
      }
      if result < 0 {
        throw failure("socket option (level \(option.level), name \(option.name))", -result)
      }
    }
  }

  /// A socket file that nobody answers at is left over from a process that has ended: it is taken
  /// away. One that is answered at, or any other file, is not ours to take.
  private static func removeStale(_ path: String, _ address: SystemAddress) throws(Failure) {
    var status = stat()
    if lstat(path, &status) != 0 { return }
    guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFSOCK) else {
      throw Failure(text: "bind: a file that is no socket is in the way")
    }
    let probe = martlet_stream_socket(AF_UNIX)
    if probe < 0 { throw failure("socket", Int32(-probe)) }
    defer { martlet_close(Int32(probe)) }
    var target = address
    let connected = martlet_connect(Int32(probe), &target.storage, target.length)
    if connected == 0 || connected == -Int64(EAGAIN) {
      throw Failure(text: "bind: another process is listening here")
    }
    unlink(path)
  }
}
