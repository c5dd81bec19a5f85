// Making a socket to an upstream: options, source address, connect. What a cluster asks for is
// read once, when its configuration is applied.
import CMartletSystem
import Model

/// Owns an upstream socket, which may come later than it was asked for (`HappyEyeballs`).
class UpstreamSocketHandler: SocketHandler {
  /// The socket that stands; `socketConnected` follows.
  func adopt(_ socket: StreamSocket) {}
}

struct UpstreamSocketOptions {
  private let keepAlive: TCPKeepAlive?
  private let source4: SystemAddress?
  private let source6: SystemAddress?
  private let freebind: Bool
  private let options: [SocketOption]
  /// Nothing but TCP_NODELAY.
  private let isPlain: Bool

  init(_ model: UpstreamConnections) {
    keepAlive = model.keepAlive
    freebind = model.freebind
    options = model.socketOptions
    let sources = model.sourceAddresses.compactMap(SystemAddress.init)
    source4 = sources.first { $0.family == AF_INET }
    source6 = sources.first { $0.family == AF_INET6 }
    isPlain = keepAlive == nil && sources.isEmpty && options.isEmpty && !freebind
  }

  /// A registered socket that is connecting; the error number when it could not even begin.
  func connect(
    to address: SystemAddress, _ handler: SocketHandler, reactor: Reactor
  ) throws(SystemError) -> StreamSocket {
    let made = martlet_stream_socket(address.family)
    if made < 0 { throw SystemError(call: "socket", code: Int32(-made)) }
    let descriptor = Int32(made)
    var result: Int64 = 0
    if address.family != AF_UNIX {
      _ = martlet_set_option_int(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
      if !isPlain { result = prepare(descriptor, family: address.family) }
    }
    if result < 0 {
      martlet_close(descriptor)
      throw SystemError(call: "bind", code: Int32(-result))
    }
    var target = address
    result = martlet_connect(descriptor, &target.storage, target.length)
    if result < 0, result != -Int64(EINPROGRESS) {
      martlet_close(descriptor)
      throw SystemError(call: "connect", code: Int32(-result))
    }
    let socket = StreamSocket(
      reactor: reactor, descriptor: descriptor, connecting: true, handler: handler)
    let registered = socket.register()
    if registered < 0 { throw SystemError(call: "epoll_ctl", code: -registered) }
    return socket
  }

  /// Negative errno on failure.
  private func prepare(_ descriptor: Int32, family: Int32) -> Int64 {
    if let keepAlive { set(keepAlive, descriptor) }
    if freebind {
      let result =
        family == AF_INET
        ? martlet_set_option_int(descriptor, Int32(IPPROTO_IP), IP_FREEBIND, 1)
        : martlet_set_option_int(descriptor, Int32(IPPROTO_IPV6), 78, 1)
      if result < 0 { return Int64(result) }
    }
    var result = apply(.preBind, descriptor)
    if result < 0 { return result }
    if var source = family == AF_INET ? source4 : source6 {
      result = martlet_bind(descriptor, &source.storage, source.length)
      if result < 0 { return result }
    }
    return apply(.bound, descriptor)
  }

  private func set(_ keepAlive: TCPKeepAlive, _ descriptor: Int32) {
    func set(_ level: Int32, _ name: Int32, _ value: UInt32) {
      _ = martlet_set_option_int(descriptor, level, name, Int32(clamping: value))
    }
    set(SOL_SOCKET, SO_KEEPALIVE, 1)
    if let probes = keepAlive.probes { set(Int32(IPPROTO_TCP), TCP_KEEPCNT, probes) }
    if let time = keepAlive.time { set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, time) }
    if let interval = keepAlive.interval { set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, interval) }
  }

  private func apply(_ state: SocketOption.State, _ descriptor: Int32) -> Int64 {
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
      if result < 0 { return Int64(result) }
    }
    return 0
  }
}

extension ClusterRuntime {
  /// As `UpstreamSocketOptions.connect`, with an address of ours that cannot be had counted.
  func openSocket(
    to address: SystemAddress, _ handler: SocketHandler, reactor: Reactor
  ) throws(SystemError) -> StreamSocket {
    do {
      return try socketOptions.connect(to: address, handler, reactor: reactor)
    } catch {
      if "\(error.call)" == "bind" { counters.add(.bindErrors) }
      throw error
    }
  }
}
