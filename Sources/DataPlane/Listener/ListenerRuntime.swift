// A listener on one worker: its acceptors, its limits, and the filter chains it hands connections
// to. The sockets stay when a new configuration changes only what is behind them.
import CMartletSystem
import Model

/// Counts and limits that all workers' runtimes of a listener share.
struct ListenerLimits {
  /// Connections of the whole process.
  let global: SharedCount
  let globalLimit: UInt64
  let own: SharedCount
  let ownLimit: UInt64
}

/// A listener's filter chains and the choice among them.
struct ListenerChains {
  let matcher: FilterChainMatcher<NetworkChain>
  let all: [NetworkChain]

  func retire() {
    for chain in all { chain.terminal?.retire() }
  }
}

final class ListenerRuntime: ConnectionOwner {
  let context: WorkerContext
  let handles: HandleTable
  private(set) var model: Listener
  private var tree: MetadataTree?
  private let name: OwnedText
  let counters: Counters<ListenerStat>
  let histograms: Histograms<ListenerHistogram>
  private let workerCounters: Counters<ListenerWorkerStat>
  private var limits: ListenerLimits
  private(set) var chains: ListenerChains
  private var onlyChain: NetworkChain?
  private(set) var acceptors: [Acceptor?] = []
  private(set) var isStopped = false
  /// The worker's other listeners, for `use_original_dst`.
  var findListener: (SocketAddress) -> ListenerRuntime? = { _ in nil }
  /// Nil without a `proxy_protocol` filter: Envoy has these statistics only with one.
  private(set) var proxyProtocolCounters: Counters<ProxyProtocolStat>?
  private var accessLogger: AccessLogger?
  private let logs: AccessLogWriters

  init(
    model: Listener, context: WorkerContext, handles: HandleTable, limits: ListenerLimits,
    chains: ListenerChains, logs: AccessLogWriters
  ) {
    self.model = model
    tree = MetadataTree(model.metadata)
    name = OwnedText(model.name)
    self.logs = logs
    accessLogger = AccessLogger.make(model.accessLogs, context: context, writers: logs)
    self.context = context
    self.handles = handles
    self.limits = limits
    counters = context.stats.counters(
      ListenerStat.self, scope: .listener(model.statPrefix), worker: context.index)
    histograms = context.stats.histograms(
      ListenerHistogram.self, scope: .listener(model.statPrefix), worker: context.index)
    workerCounters = context.stats.counters(
      ListenerWorkerStat.self,
      scope: .other("listener.\(model.statPrefix).worker_\(context.index).".replacingColons),
      worker: context.index)
    proxyProtocolCounters = Self.proxyProtocolCounters(model, context)
    self.chains = chains
    onlyChain = chains.matcher.only
  }

  private static func proxyProtocolCounters(_ model: Listener, _ context: WorkerContext)
    -> Counters<ProxyProtocolStat>?
  {
    for case .proxyProtocol(let filter) in model.listenerFilters {
      let prefix = filter.statPrefix.isEmpty ? "" : "\(filter.statPrefix)."
      return context.stats.counters(
        ProxyProtocolStat.self, scope: .other("proxy_proto.\(prefix)"), worker: context.index)
    }
    return nil
  }

  /// The new chain in the place of an old one: of the same name and for the same connections.
  static func successor(
    of chain: NetworkChain, in old: (model: Listener, chains: ListenerChains), _ new: ListenerRuntime
  ) -> NetworkChain? {
    guard let index = old.chains.all.firstIndex(where: { $0 === chain }) else { return nil }
    guard index < old.model.filterChains.count else {
      return new.model.defaultFilterChain == nil ? nil : new.chains.all.last
    }
    let was = old.model.filterChains[index]
    let found = new.model.filterChains.firstIndex { $0.name == was.name && $0.match == was.match }
    return found.map { new.chains.all[$0] }
  }

  /// Takes a changed model over; connections that stand keep the chain they began with, unless they are
  /// given its successor.
  func update(model: Listener, limits: ListenerLimits, chains: ListenerChains) {
    if model.metadata != self.model.metadata { tree = MetadataTree(model.metadata) }
    self.model = model
    accessLogger = AccessLogger.make(model.accessLogs, context: context, writers: logs)
    proxyProtocolCounters = Self.proxyProtocolCounters(model, context)
    self.limits = limits
    let old = self.chains
    self.chains = chains
    onlyChain = chains.matcher.only
    old.retire()
  }

  /// Replaces the sockets: a descriptor for a new one, nil to keep the old one at `from`.
  func setSockets(_ sockets: [(descriptor: Int32?, from: Int?, exclusive: Bool)]) {
    let old = acceptors
    var kept = Set<Int>()
    acceptors = sockets.map { socket in
      if let descriptor = socket.descriptor {
        let acceptor = Acceptor(listener: self, descriptor: descriptor, exclusive: socket.exclusive)
        acceptor.resume()
        return acceptor
      }
      guard let from = socket.from else { return nil }
      kept.insert(from)
      return old[from]
    }
    for (index, acceptor) in old.enumerated() where !kept.contains(index) { acceptor?.drainAndClose() }
  }

  /// Takes what the kernel has already accepted for us, then closes the sockets.
  func stopAccepting() {
    isStopped = true
    for acceptor in acceptors { acceptor?.drainAndClose() }
    acceptors = []
  }

  /// The listener is gone from the configuration.
  func retire() {
    stopAccepting()
    chains.retire()
  }

  override var isInbound: Bool { model.isInbound }

  // MARK: Connections

  /// A new socket: limits, then listener filters, then a chain.
  func accepted(_ descriptor: Int32, from peer: SystemAddress) {
    guard takeOver() else {
      martlet_close(descriptor)
      return
    }
    let remote = peer.address ?? .unix(path: "", mode: 0)
    let addresses = ConnectionAddresses(remote: remote, directRemote: remote)
    if model.listenerFilters.isEmpty && !model.useOriginalDestination {
      let connection = Connection(
        context: context, owner: self, addresses: addresses,
        bufferLimit: model.perConnectionBufferLimit)
      let socket = StreamSocket(
        reactor: context.reactor, descriptor: descriptor, connecting: false, handler: connection)
      guard socket.register() >= 0 else {
        releaseLimits()
        return
      }
      establish(connection, socket)
    } else {
      ListenerFilterSession.begin(self, descriptor: descriptor, addresses: addresses)
    }
  }

  /// Counts a connection that another listener hands over. False over a limit.
  func takeOver() -> Bool {
    guard limits.global.increment(limit: limits.globalLimit) else {
      counters.add(.globalConnectionOverflow)
      return false
    }
    guard limits.own.increment(limit: limits.ownLimit) else {
      limits.global.decrement()
      counters.add(.connectionOverflow)
      return false
    }
    return true
  }

  /// A connection that never got as far as a chain is gone.
  func releaseLimits() {
    limits.own.decrement()
    limits.global.decrement()
  }

  /// The listener filters are done: the chain is chosen.
  func establish(_ connection: Connection, _ socket: StreamSocket) {
    guard let chain = onlyChain ?? choose(connection, socket) else {
      counters.add(.noFilterChainMatch)
      if let record = connection.record {
        record.info.note(.noRouteFound, details: ResponseDetails.filterChainNotFound)
        log(connection, socket)
      }
      socket.close()
      releaseLimits()
      return
    }
    if chain.filters.isEmpty && chain.terminal == nil {
      socket.close()
      releaseLimits()
      return
    }
    counters.add(.connectionTotal)
    counters.add(.connectionActive)
    workerCounters.add(.connectionTotal)
    workerCounters.add(.connectionActive)
    connection.handle = handles.connections.insert(connection)
    connection.start(socket: socket, chain: chain)
  }

  private func choose(_ connection: Connection, _ socket: StreamSocket) -> NetworkChain? {
    let addresses = connection.addresses
    let local =
      addresses.local ?? ListenSocketAddress.local(of: socket.descriptor) ?? addresses.directRemote
    connection.addresses.local = local
    return chains.matcher.match(
      ConnectionFacts(
        destination: local, source: addresses.remote, directSource: addresses.directRemote))
  }

  override func connectionClosed(_ connection: Connection) {
    handles.connections.remove(connection.handle)
    counters.subtract(.connectionActive)
    counters.add(.connectionDestroy)
    histograms.record(.connectionLength, from: connection.openedAt, to: context.reactor.now)
    workerCounters.subtract(.connectionActive)
    if accessLogger != nil, let socket = connection.socket { log(connection, socket) }
    releaseLimits()
  }

  override var metadata: MetadataTree? { tree }
  override var nameText: ByteView { name.view }
  override var formatNeeds: FormatNeeds { accessLogger?.needs ?? [] }
  override var keepsInfo: Bool { accessLogger != nil }

  /// The line at the end of a connection.
  private func log(_ connection: Connection, _ socket: StreamSocket) {
    guard let logger = accessLogger, let record = connection.record else { return }
    if !record.countsOwnBytes {
      record.info.bodyReceived = socket.bytesReceived
      record.info.bodySent = socket.bytesSent
    }
    withUnsafeMutablePointer(to: &record.info) { info in
      var context = FormatContext(
        worker: context, request: nil, response: nil, trailers: nil, connection: connection,
        info: info)
      logger.log(.notSet, &context)
    }
  }
}
