// Connecting to an endpoint with several addresses (RFC 8305 section 5): the next one is tried when
// the last has failed, or has not answered for 300 ms; the first to stand is used and the others
// are closed.
//
// Threading: belongs to its worker.
import CMartletSystem

final class HappyEyeballs: TimerTarget {
  private let cluster: ClusterRuntime
  private let addresses: [SystemAddress]
  private let reactor: Reactor
  /// Kept by the reactor, through the attempts; gone when all is decided.
  private var handler: UpstreamSocketHandler?
  private var attempts: [Attempt] = []
  private var next = 0
  private var timer = TimerID.none
  private var lastError: Int32 = ECONNREFUSED

  /// RFC 8305 recommends 250 ms; Envoy waits 300.
  private static let attemptDelay: UInt64 = 300_000_000

  init(
    _ addresses: [SystemAddress], cluster: ClusterRuntime, handler: UpstreamSocketHandler
  ) {
    self.addresses = addresses
    self.cluster = cluster
    self.handler = handler
    reactor = cluster.context.reactor
  }

  /// The outcome is told later, never from inside.
  func start() { reactor.defer { [self] in tryNext() } }

  private func tryNext() {
    reactor.timers.cancel(&timer)
    while handler != nil, next < addresses.count {
      let attempt = Attempt(self)
      let address = addresses[next]
      // The first was counted by whoever wants the connection.
      if next > 0 { cluster.counters.add(.connectionTotal) }
      next += 1
      do throws(SystemError) {
        attempt.socket = try cluster.openSocket(to: address, attempt, reactor: reactor)
      } catch {
        lastError = error.code
        continue
      }
      attempts.append(attempt)
      if next < addresses.count {
        timer = reactor.timers.add(self, at: reactor.now &+ HappyEyeballs.attemptDelay)
      }
      return
    }
    if attempts.isEmpty { fail() }
  }

  override func timerFired(now: UInt64) {
    timer = .none
    tryNext()
  }

  fileprivate func stands(_ attempt: Attempt) {
    guard let handler, let socket = attempt.socket else { return }
    attempts.removeAll { $0 === attempt }
    cancel()
    socket.replaceHandler(handler)
    handler.adopt(socket)
    handler.socketConnected()
  }

  fileprivate func failed(_ attempt: Attempt, _ code: Int32) {
    attempts.removeAll { $0 === attempt }
    lastError = code
    if next < addresses.count { tryNext() } else if attempts.isEmpty { fail() }
  }

  private func fail() {
    let last = handler
    cancel()
    last?.socketFailed(lastError)
  }

  /// Nobody wants a connection any more.
  func cancel() {
    handler = nil
    reactor.timers.cancel(&timer)
    let all = attempts
    attempts.removeAll()
    for attempt in all { attempt.socket?.close() }
  }

  fileprivate final class Attempt: SocketHandler {
    private let eyeballs: HappyEyeballs
    var socket: StreamSocket?

    init(_ eyeballs: HappyEyeballs) { self.eyeballs = eyeballs }

    override func socketConnected() { eyeballs.stands(self) }
    override func socketFailed(_ code: Int32) { eyeballs.failed(self, code) }
  }
}
