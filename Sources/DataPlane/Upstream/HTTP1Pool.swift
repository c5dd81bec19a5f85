// The HTTP/1.1 connections to one endpoint for requests of one priority, and the requests that
// wait for one.
//
//     acquire -> an idle connection                    -> ready
//             -> none: the request queues, and as many connections are made as requests wait
//                (and the circuit breakers allow; the first is always allowed)
//     a connection that stands or becomes free serves who has waited longest
//
// A connection that cannot be made fails everybody who waits, as in Envoy: who retries may choose
// another endpoint.
//
// The queue is a list through the requests themselves, so that waiting allocates nothing.
//
// Threading: belongs to its worker.
import Model

final class HTTP1Pool {
  enum Outcome {
    case ready(HTTP1ClientConnection)
    /// `upstreamReady` or `upstreamFailed` follows, never from inside the call.
    case pending
    /// A circuit breaker is open.
    case overflow
    /// There may be no further pool.
    case noPool
  }

  /// The endpoint holds the pool, the cluster the endpoint.
  private unowned(unsafe) let cluster: ClusterRuntime
  let priority: RoutingPriority
  /// For connections that carry plain bytes: each serves one request.
  let isRaw: Bool
  private let breaker: CircuitBreaker
  private let preconnectRatio: Double
  /// Keep-alive connections without a request, the latest used last: it is taken first, because
  /// its window is open and its end the least likely to have closed it.
  private var idle: [HTTP1ClientConnection] = []
  private var connecting: [HTTP1ClientConnection] = []
  private var busyCount = 0
  private var first: Unmanaged<UpstreamHandler>?
  private var last: Unmanaged<UpstreamHandler>?
  private var waiting = 0
  /// Counted as a pool.
  private var isOpen = false
  /// Connections that were made before close after their request.
  private(set) var drainGeneration: UInt32 = 0

  /// Connections made in one go, as in Envoy.
  private static let connectBurst = 3

  init(cluster: ClusterRuntime, priority: RoutingPriority, isRaw: Bool = false) {
    self.isRaw = isRaw
    self.cluster = cluster
    self.priority = priority
    breaker = cluster.breaker(priority)
    preconnectRatio = cluster.model.connections.preconnectRatio
  }

  var isUnused: Bool { busyCount == 0 && waiting == 0 && connecting.isEmpty && idle.isEmpty }

  // MARK: Requests

  @inline(__always)
  func acquire(_ owner: UpstreamHandler, endpoint: EndpointRuntime) -> Outcome {
    guard let connection = idle.popLast() else { return wait(owner, endpoint) }
    guard breaker.allows(.requests) else {
      idle.append(connection)
      cluster.counters.add(.requestActiveOverflow)
      return .overflow
    }
    serve(owner, by: connection)
    if preconnectRatio > 1 { connectAsNeeded(endpoint) }
    return .ready(connection)
  }

  @inline(never)
  private func wait(_ owner: UpstreamHandler, _ endpoint: EndpointRuntime) -> Outcome {
    if !isOpen {
      guard breaker.allows(.pools) else {
        cluster.counters.add(.connectionPoolOverflow)
        return .noPool
      }
      isOpen = true
      breaker.add(.pools)
    }
    guard breaker.allows(.pending) else {
      cluster.counters.add(.requestPendingOverflow)
      closeIfUnused()
      return .overflow
    }
    enqueue(owner, endpoint)
    connectAsNeeded(endpoint)
    return .pending
  }

  private func serve(_ owner: UpstreamHandler, by connection: HTTP1ClientConnection) {
    busyCount &+= 1
    breaker.add(.requests)
    connection.take(owner)
  }

  private func enqueue(_ owner: UpstreamHandler, _ endpoint: EndpointRuntime) {
    owner.waitsIn = self
    owner.waitsFor = endpoint
    owner.previousWaiting = last
    owner.nextWaiting = nil
    let entry = Unmanaged.passUnretained(owner)
    if let last { last.takeUnretainedValue().nextWaiting = entry } else { first = entry }
    last = entry
    waiting += 1
    breaker.add(.pending)
    cluster.counters.add(.requestPendingTotal)
    cluster.counters.add(.requestPendingActive)
    endpoint.counters.add(.requestPendingActive)
  }

  private func remove(_ owner: UpstreamHandler) {
    if let next = owner.nextWaiting {
      next.takeUnretainedValue().previousWaiting = owner.previousWaiting
    } else {
      last = owner.previousWaiting
    }
    if let previous = owner.previousWaiting {
      previous.takeUnretainedValue().nextWaiting = owner.nextWaiting
    } else {
      first = owner.nextWaiting
    }
    owner.nextWaiting = nil
    owner.previousWaiting = nil
    owner.waitsIn = nil
    waiting -= 1
    breaker.subtract(.pending)
    cluster.counters.subtract(.requestPendingActive)
    owner.waitsFor?.counters.subtract(.requestPendingActive)
    owner.waitsFor = nil
  }

  /// The request waits no longer. Its connection is made all the same and serves another.
  func cancel(_ owner: UpstreamHandler) {
    remove(owner)
    cluster.counters.add(.requestCancelled)
    closeIfUnused()
  }

  // MARK: Connections

  private func connectAsNeeded(_ endpoint: EndpointRuntime) {
    var made = 0
    while made < HTTP1Pool.connectBurst, wantsConnection {
      made += 1
      let isAllowed = breaker.allows(.connections) && endpoint.allowsConnection(priority)
      if !isAllowed {
        cluster.counters.add(.connectionOverflow)
        // With none at all, who waits would wait for ever.
        if busyCount > 0 || !idle.isEmpty || !connecting.isEmpty { return }
      }
      let connection = HTTP1ClientConnection(pool: self, cluster: cluster, endpoint: endpoint)
      connecting.append(connection)
      connection.connect()
    }
  }

  private var wantsConnection: Bool {
    if preconnectRatio <= 1 { return waiting > connecting.count }
    let wanted = Double(waiting + busyCount) * preconnectRatio
    return wanted > Double(connecting.count + idle.count + busyCount)
  }

  /// The connection stands.
  func connected(_ connection: HTTP1ClientConnection) {
    connecting.removeAll { $0 === connection }
    release(connection)
  }

  /// The connection's request has ended and it may serve another.
  @inline(__always)
  func requestEnded(_ connection: HTTP1ClientConnection) {
    busyCount &-= 1
    breaker.subtract(.requests)
    if waiting == 0 { idle.append(connection) } else { release(connection) }
  }

  private func release(_ connection: HTTP1ClientConnection) {
    while let next = first?.takeUnretainedValue() {
      remove(next)
      guard breaker.allows(.requests) else {
        cluster.counters.add(.requestActiveOverflow)
        next.upstreamFailed(.overflow)
        continue
      }
      serve(next, by: connection)
      next.upstreamReady(connection)
      return
    }
    connection.becomeIdle()
    idle.append(connection)
    if !connection.mayServeMore { connection.closeIdle() }
  }

  /// What the connection was when it ended.
  enum Ending { case connecting, busy, idle }

  /// The connection has ended. `failure`: it never stood.
  func closed(_ connection: HTTP1ClientConnection, _ ending: Ending, failure: UpstreamFailure? = nil) {
    switch ending {
    case .connecting: connecting.removeAll { $0 === connection }
    case .busy:
      busyCount -= 1
      breaker.subtract(.requests)
    case .idle:
      if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    }
    if let failure { failWaiting(failure) }
    if waiting > 0 { connectAsNeeded(connection.endpoint) }
    closeIfUnused()
  }

  /// Those who come anew from inside are not failed with the others.
  private func failWaiting(_ failure: UpstreamFailure) {
    var count = waiting
    while count > 0, let next = first?.takeUnretainedValue() {
      count -= 1
      remove(next)
      cluster.counters.add(.requestPendingFailureEject)
      next.upstreamFailed(failure)
    }
  }

  private func closeIfUnused() {
    guard isOpen, isUnused else { return }
    isOpen = false
    breaker.subtract(.pools)
  }

  func closeIdle() {
    let all = idle
    idle.removeAll()
    for connection in all { connection.closeIdle() }
    closeIfUnused()
  }

  func drain() {
    drainGeneration &+= 1
    closeIdle()
  }
}
