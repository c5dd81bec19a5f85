// Chains of network filters: C function tables called in the order of the configuration.
//
// A configuration gives a `NetworkChain` (tables and their configurations); a connection whose
// chain has more than the terminal gets a `NetworkChainInstance` with a filter for each.
//
// Re-entrancy: hooks may write, close and continue. `close` and `continue` take effect when the
// outermost callback has returned; so does the end of the filters.
import CMartletABI
import Model

/// One filter of a chain: a table and what its `create` is given.
struct NetworkFilterFactory {
  let table: UnsafePointer<martlet_network_filter>
  let config: UnsafeMutableRawPointer?
}

final class NetworkChain {
  let filters: [NetworkFilterFactory]
  let terminal: TerminalFactory?
  let hasWriteHook: Bool
  let nameText: OwnedText
  let metadata: MetadataTree?
  /// Keeps the configurations of the built-in filters alive.
  private let owners: [AnyObject]

  init(
    filters: [NetworkFilterFactory], terminal: TerminalFactory?, name: String = "",
    metadata: Metadata = Metadata(), owners: [AnyObject] = []
  ) {
    self.metadata = MetadataTree(metadata)
    nameText = OwnedText(name)
    self.filters = filters
    self.terminal = terminal
    self.owners = owners
    hasWriteHook = filters.contains { $0.table.pointee.on_write != nil }
  }
}

final class NetworkChainInstance {
  private final class Timer: TimerTarget {
    unowned let instance: NetworkChainInstance
    let index: Int
    var id = TimerID.none
    init(_ instance: NetworkChainInstance, _ index: Int) {
      self.instance = instance
      self.index = index
    }
    override func timerFired(now: UInt64) {
      id = .none
      instance.timerFired(index)
    }
  }

  private let chain: NetworkChain
  private unowned let connection: Connection
  private var filters: [UnsafeMutableRawPointer] = []
  private var timers: [Timer?] = []
  /// What the terminal writes, before the write hooks have seen it. Nil where there is none.
  let staging: OutboundQueue?
  /// The filter that stopped a new connection; `filters.count` when all let it through.
  private var newConnectionAt = 0
  private var depth = 0
  private var closeRequested: martlet_close_mode?
  private var continueRequested = false
  private var closed = false
  private var sawEnd = false
  private(set) var isWriting = false

  init(_ chain: NetworkChain, connection: Connection) {
    self.chain = chain
    self.connection = connection
    staging = chain.hasWriteHook ? OutboundQueue(pool: connection.context.reactor.pool) : nil
  }

  /// How to close the connection when a filter refuses it; nil when all take it. A filter that
  /// closes inside its own `create` is kept until then, so that it ends like the others.
  func create() -> martlet_close_mode? {
    depth += 1
    defer { depth -= 1 }
    for factory in chain.filters {
      guard
        let filter = factory.table.pointee.create(
          factory.config, HostNetworkServices.table, connection.handle.rawValue)
      else { return MARTLET_CLOSE_NOW }
      filters.append(filter)
      timers.append(nil)
      if let mode = closeRequested {
        closeRequested = nil
        return mode
      }
    }
    return nil
  }

  // MARK: Hooks

  private func enter() { depth += 1 }

  /// Requests made in a hook are carried out when the outermost one has returned.
  private func leave() {
    depth -= 1
    guard depth == 0 else { return }
    if let mode = closeRequested {
      closeRequested = nil
      carryOutClose(mode)
      return
    }
    if continueRequested {
      continueRequested = false
      continueNow()
    }
  }

  func newConnection() {
    enter()
    defer { leave() }
    while newConnectionAt < filters.count {
      let table = chain.filters[newConnectionAt].table
      if let hook = table.pointee.on_new_connection,
        hook(filters[newConnectionAt]) != MARTLET_CONTINUE
      {
        return
      }
      if closeRequested != nil { return }
      newConnectionAt += 1
    }
    connection.startTerminal()
  }

  /// True when the terminal is to see the bytes.
  func offerData(end: Bool) -> Bool {
    if end { sawEnd = true }
    guard newConnectionAt == filters.count, !closed, closeRequested == nil else { return false }
    enter()
    var passed = true
    for (index, filter) in filters.enumerated() {
      guard let hook = chain.filters[index].table.pointee.on_data else { continue }
      if hook(filter, end) != MARTLET_CONTINUE || closeRequested != nil {
        passed = false
        break
      }
    }
    leave()
    return passed && !closed
  }

  private func continueNow() {
    guard !closed else { return }
    if newConnectionAt < filters.count {
      newConnectionAt += 1
      newConnection()
      guard newConnectionAt == filters.count, !closed else { return }
    }
    if !connection.inbound.isEmpty { connection.socketReceived() }
    if !closed { connection.releaseInput() }
    if sawEnd, !closed { connection.socketEnded() }
  }

  /// From `Connection.flush`: what the terminal has written passes the filters, last to first.
  func runWriteFilters() {
    guard let staging, !staging.isEmpty, !closed else { return }
    enter()
    isWriting = true
    var passed = true
    for index in filters.indices.reversed() {
      guard let hook = chain.filters[index].table.pointee.on_write else { continue }
      if hook(filters[index]) != MARTLET_CONTINUE {
        passed = false
        break
      }
    }
    isWriting = false
    if passed, !closed { connection.socket.outbound.append(contentsOf: staging) }
    leave()
  }

  private func timerFired(_ index: Int) {
    guard !closed else { return }
    enter()
    chain.filters[index].table.pointee.on_timer?(filters[index])
    leave()
  }

  // MARK: What filters ask for

  func requestClose(_ mode: martlet_close_mode) {
    if depth == 0 { carryOutClose(mode) } else { closeRequested = mode }
  }

  func requestContinue() {
    if depth == 0 {
      connection.context.reactor.defer { [weak self] in self?.continueNow() }
    } else {
      continueRequested = true
    }
  }

  private func carryOutClose(_ mode: martlet_close_mode) {
    if mode == MARTLET_CLOSE_FLUSH {
      connection.linger(timeout: 1_000_000_000)
    } else {
      connection.close(reset: mode == MARTLET_CLOSE_RESET)
    }
  }

  func setTimer(_ filter: UnsafeMutableRawPointer?, milliseconds: UInt64) {
    guard let index = filters.firstIndex(where: { $0 == filter }) else { return }
    let reactor = connection.context.reactor
    let timer = timers[index] ?? Timer(self, index)
    timers[index] = timer
    reactor.timers.cancel(&timer.id)
    if milliseconds > 0 {
      timer.id = reactor.timers.add(timer, at: reactor.now &+ milliseconds &* 1_000_000)
    }
  }

  /// The connection has ended. Filters end when no hook of theirs is on the stack.
  func close() {
    guard !closed else { return }
    closed = true
    let reactor = connection.context.reactor
    for timer in timers.compactMap({ $0 }) { reactor.timers.cancel(&timer.id) }
    staging?.removeAll()
    let chain = chain
    let filters = filters
    let finish = {
      for (index, filter) in filters.enumerated() {
        chain.filters[index].table.pointee.on_close?(filter)
        chain.filters[index].table.pointee.destroy(filter)
      }
    }
    if depth == 0 { finish() } else { reactor.defer(finish) }
  }
}
