// One endpoint of a cluster as a worker sees it: where it is, its pooled connections, its counts.
import CMartletSystem
import Model

final class EndpointRuntime {
  let model: Endpoint
  let address: SystemAddress
  let counters: Counters<EndpointStat>
  let hostnameText: OwnedText
  /// Keep-alive connections without a request, the latest used last: it is taken first, because
  /// its window is open and its end the least likely to have closed it.
  private var idle: [HTTP1ClientConnection] = []
  /// All connections of the HTTP/1 pool, idle ones included.
  var connections = 0

  init?(model: Endpoint, counters: Counters<EndpointStat>) {
    guard let address = SystemAddress(model.address) else { return nil }
    self.model = model
    self.address = address
    self.counters = counters
    hostnameText = OwnedText(model.hostname)
  }

  /// A registered socket that is connecting here; the error number when it could not even begin.
  func connect(
    _ handler: SocketHandler, reactor: Reactor
  ) throws(SystemError) -> StreamSocket {
    let made = martlet_stream_socket(address.family)
    if made < 0 { throw SystemError(call: "socket", code: Int32(-made)) }
    let descriptor = Int32(made)
    if address.family != AF_UNIX {
      _ = martlet_set_option_int(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }
    var target = address
    let result = martlet_connect(descriptor, &target.storage, target.length)
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

  @inline(__always)
  func popIdle() -> HTTP1ClientConnection? { idle.popLast() }

  @inline(__always)
  func pushIdle(_ connection: HTTP1ClientConnection) { idle.append(connection) }

  func removeIdle(_ connection: HTTP1ClientConnection) {
    if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
  }

  func closeIdle() {
    let all = idle
    idle.removeAll()
    for connection in all { connection.closeIdle() }
  }
}
