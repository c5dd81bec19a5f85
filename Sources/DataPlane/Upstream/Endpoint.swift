// One endpoint of a cluster as a worker sees it: where it is, its pooled connections, its counts.
import CMartletSystem
import Model

final class EndpointRuntime {
  let model: Endpoint
  let address: SystemAddress
  let counters: Counters<EndpointStat>
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
