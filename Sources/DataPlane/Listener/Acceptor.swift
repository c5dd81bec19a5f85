// A listening socket on one worker. When the process is out of descriptors (or the kernel out of
// memory), accepting pauses and tries again a little later: nothing spins, and the connections
// wait in the kernel's queue.
import CMartletSystem

final class Acceptor: EventSource {
  private unowned let listener: ListenerRuntime
  private let reactor: Reactor
  private var descriptor: Int32
  /// Shared with other workers: only one of them is woken for a connection.
  private let exclusive: Bool
  private var pause = TimerID.none

  /// How long accepting rests when there is no descriptor left.
  private static let restNanoseconds: UInt64 = 100_000_000
  /// Connections taken in one turn where the listener does not say: as many as do not hold up the
  /// requests of others for long (about 10 µs each).
  private static let defaultPerTurn = 64

  init(listener: ListenerRuntime, descriptor: Int32, exclusive: Bool) {
    self.listener = listener
    self.descriptor = descriptor
    self.exclusive = exclusive
    reactor = listener.context.reactor
  }

  func resume() {
    let events = exclusive ? MARTLET_EPOLL_IN | MARTLET_EPOLL_EXCLUSIVE : MARTLET_EPOLL_IN
    if reactor.register(self, descriptor: descriptor, events: events) < 0 { rest() }
  }

  override func ready(_ events: UInt32) {
    let limit = listener.model.maxConnectionsPerTurn ?? Acceptor.defaultPerTurn
    var accepted = 0
    while accepted < limit, acceptOne() { accepted += 1 }
    // As Envoy: how many one readiness of the socket brought, where it brought any.
    if accepted > 0 { listener.histograms.record(.acceptedPerEvent, UInt64(accepted)) }
  }

  /// False when there is nothing more for now.
  private func acceptOne() -> Bool {
    guard descriptor >= 0 else { return false }
    var peer = SystemAddress()
    peer.length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = martlet_accept(descriptor, &peer.storage, &peer.length)
    if result >= 0 {
      listener.accepted(Int32(result), from: peer)
      return true
    }
    switch Int32(-result) {
    case EAGAIN: return false
    case EMFILE, ENFILE, ENOBUFS, ENOMEM:
      listener.counters.add(.acceptErrors)
      let reason = String(cString: strerror(Int32(-result)))
      listener.context.log(
        .warning, "connection",
        "listener '\(listener.model.name)': accept: \(reason); trying again in 100 ms")
      reactor.unregister(self, keeping: descriptor)
      rest()
      return false
    default:
      // The connection was gone before it was accepted, or a firewall forbade it.
      return true
    }
  }

  private func rest() {
    pause = reactor.timers.add(self, at: reactor.now &+ Acceptor.restNanoseconds)
  }

  override func timerFired(now: UInt64) {
    pause = .none
    if descriptor >= 0 { resume() }
  }

  func drainAndClose() {
    // Bounded: what is in the queue now, not what keeps coming.
    for _ in 0..<1024 where !acceptOne() { break }
    close()
  }

  func close() {
    guard descriptor >= 0 else { return }
    reactor.timers.cancel(&pause)
    reactor.unregister(self)
    martlet_close(descriptor)
    descriptor = -1
  }
}
