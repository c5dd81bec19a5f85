// The last filter of a network chain: what a connection is for. Built in and in Swift; what comes
// before it are C function tables (`NetworkChain`).

class TerminalFilter: TimerTarget {
  /// Given up by the connection when it closes.
  let connection: Connection

  init(connection: Connection) { self.connection = connection }

  /// Once, when the filters before have let the connection through.
  func start() {}
  /// There is more in `connection.inbound`.
  func received() {}
  /// The peer has sent its last byte.
  func ended() {}
  /// `connection.output` is empty again.
  func drained() {}
  /// The connection is gone. No call follows. `byPeer`: it failed or was reset from outside.
  func closed(byPeer: Bool) {}
  /// A lingering close is over; only after `connection.linger`.
  func lingered(timedOut: Bool) {}
  /// The listener drains: close when that hurts nobody.
  func drain() {}
  /// A new configuration has another factory in the place of this one's. True: it goes on by that, from the
  /// next request on; otherwise it is told to drain.
  func succeed(by factory: TerminalFactory) -> Bool { false }
}

/// Makes the terminal filter of each connection of a chain. One a worker and configuration.
class TerminalFactory {
  func make(_ connection: Connection) -> TerminalFilter {
    fatalError("abstract: each subclass makes its own")
  }
  /// The chain is replaced or its listener is gone: no connection is made any more, those that
  /// stand go on. Nothing by default.
  func retire() {}
}
