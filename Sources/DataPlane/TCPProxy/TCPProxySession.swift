// The TCP proxy: one upstream connection for each downstream one, bytes passed on as they come in
// both directions, each direction closed on its own (`extensions.filters.network.tcp_proxy.v3`).
import CMartletSystem
import Model

final class TCPProxyFactory: TerminalFactory {
  let context: WorkerContext
  let counters: Counters<TCPStat>
  let idleTimeout: UInt64
  let maxDuration: UInt64
  let maxConnectAttempts: Int
  let accessLogger: AccessLogger?
  private let clusters: WeightedClusters

  init(
    model: TCPProxy, context: WorkerContext, logs: AccessLogWriters,
    clusters find: (String) -> ClusterRuntime?
  ) {
    accessLogger = AccessLogger.make(
      model.accessLogs, timing: model.accessLogTiming, context: context, writers: logs)
    self.context = context
    counters = context.stats.counters(
      TCPStat.self, scope: .tcp(model.statPrefix), worker: context.index)
    idleTimeout = model.idleTimeout?.clampedNanoseconds ?? 0
    maxDuration = model.maxConnectionDuration?.clampedNanoseconds ?? 0
    maxConnectAttempts = model.maxConnectAttempts
    switch model.cluster {
    case .single(let name): clusters = WeightedClusters(single: name, find: find)
    case .weighted(let list): clusters = WeightedClusters(list, find: find)
    }
  }

  override func make(_ connection: Connection) -> TerminalFilter {
    TCPProxySession(connection: connection, factory: self)
  }

  func pickCluster() -> ClusterRuntime? { clusters.pick(&context.random) }
}

final class TCPProxySession: TerminalFilter {
  private let factory: TCPProxyFactory
  private var cluster: ClusterRuntime?
  private var upstream: TCPUpstream?
  private var connected = false
  private var attempts = 0
  private var downstreamEnded = false
  private var upstreamEnded = false
  private var timer = LazyTimer()
  private var durationDeadline: UInt64 = .max
  private var logDeadline: UInt64 = .max
  /// Nil where neither this proxy nor the listener logs.
  private var record: ConnectionInfo?
  private var finished = false

  init(connection: Connection, factory: TCPProxyFactory) {
    self.factory = factory
    super.init(connection: connection)
    factory.counters.add(.connectionTotal)
    record = factory.accessLogger == nil ? connection.record : connection.keepRecord()
    record?.countsOwnBytes = true
  }

  private var reactor: Reactor { factory.context.reactor }

  /// A format of this proxy or of the listener asks for all attempts.
  private var keepsAttempts: Bool {
    (factory.accessLogger?.needs ?? []).union(connection.owner.formatNeeds).contains(.attempts)
  }

  override func start() {
    if factory.maxDuration > 0 { durationDeadline = reactor.now &+ factory.maxDuration }
    if let logger = factory.accessLogger {
      connection.rememberAddresses()
      if logger.interval > 0 { logDeadline = reactor.now &+ logger.interval }
    }
    guard let cluster = factory.pickCluster() else {
      factory.counters.add(.connectionNoRoute)
      record?.info.flags.formUnion(.noClusterFound)
      connection.close()
      return
    }
    self.cluster = cluster
    record?.info.cluster = cluster
    record?.info.upstreamRequestStart = reactor.now
    cluster.counters.add(.requestTotal)
    connect()
    armTimer()
  }

  // MARK: Connecting

  private func connect() {
    guard let cluster else { return }
    let picked =
      cluster.destinations.map { $0.pick(connection.addresses.restoredLocal) } ?? cluster.pick()
    guard let endpoint = picked else {
      record?.info.flags.formUnion(.noHealthyUpstream)
      record?.info.poolReady = reactor.now
      connection.close()
      return
    }
    guard cluster.breaker(.normal).allows(.connections), endpoint.allowsConnection(.normal) else {
      cluster.counters.add(.connectionOverflow)
      record?.info.flags.formUnion(.upstreamOverflow)
      record?.info.poolReady = reactor.now
      connection.close()
      return
    }
    attempts += 1
    if let record {
      record.info.attempts += 1
      record.info.endpoint = endpoint
      record.info.upstreamConnectStart = reactor.now
      record.endpoint = endpoint
      if keepsAttempts { record.attempts().add(endpoint) }
    }
    let upstream = TCPUpstream(cluster: cluster, endpoint: endpoint, session: self)
    self.upstream = upstream
    upstream.connect()
  }

  func upstreamConnected() {
    connected = true
    if let record { noteConnected(record) }
    touch()
    connection.socket.continueReading()
    moveDownstreamBytes()
    if downstreamEnded { upstream?.socket?.shutdownWriting() }
  }

  func upstreamConnectFailed(_ code: Int32) {
    upstream = nil
    if let record {
      record.info.poolReady = reactor.now
      record.noteFailure(code)
    }
    guard !finished else { return }
    if attempts < factory.maxConnectAttempts {
      connect()
      return
    }
    cluster?.counters.add(.connectAttemptsExceeded)
    record?.info.flags.formUnion([.upstreamConnectionFailure, .connectAttemptsExceeded])
    connection.close()
  }

  private func noteConnected(_ record: ConnectionInfo) {
    let now = reactor.now
    record.info.upstreamConnectEnd = now
    record.info.poolReady = now
    record.info.upstreamConnectionID = factory.context.nextConnectionID()
    if keepsAttempts {
      record.attempts().add(connection: record.info.upstreamConnectionID)
    }
    if let socket = upstream?.socket {
      record.info.upstreamLocal = ListenSocketAddress.local(of: socket.descriptor)
    }
    if let logger = factory.accessLogger, logger.logsStart { log(.tcpUpstreamConnected) }
  }

  private func noteBytes() {
    guard let record else { return }
    record.info.downstream.wireReceived = record.info.bodyReceived
    record.info.downstream.wireSent = record.info.bodySent
    if let up = upstream?.socket {
      record.info.upstream.wireReceived = up.bytesReceived
      record.info.upstream.wireSent = up.bytesSent
    }
  }

  private func log(_ type: AccessLogType) {
    guard let logger = factory.accessLogger, let record else { return }
    noteBytes()
    withUnsafeMutablePointer(to: &record.info) { info in
      var context = FormatContext(
        worker: factory.context, request: nil, response: nil, trailers: nil, connection: connection,
        info: info)
      logger.log(type, &context)
    }
  }

  // MARK: Downstream to upstream

  override func received() {
    guard connected else {
      // Until somebody is there to take them, the bytes wait in one buffer and the kernel.
      if connection.inbound.count >= connection.bufferLimit / 2 || connection.inbound.tailSpace < 2048 {
        connection.socket.pauseReading()
      }
      return
    }
    moveDownstreamBytes()
  }

  private func moveDownstreamBytes() {
    guard let socket = upstream?.socket, !connection.inbound.isEmpty else { return }
    let count = connection.inbound.count
    factory.counters.add(.bytesReceived, UInt64(count))
    record?.info.bodyReceived &+= UInt64(count)
    socket.outbound.append(connection.inbound.take(count))
    socket.scheduleFlush()
    if socket.outbound.byteCount > (cluster?.model.perConnectionBufferLimit ?? 0) {
      if !connection.socket.readingPaused { factory.counters.add(.flowPaused) }
      connection.socket.pauseReading()
      socket.notifyWhenDrained()
    }
  }

  override func ended() {
    downstreamEnded = true
    if connected { upstream?.socket?.shutdownWriting() }
    finishIfBothEnded()
  }

  func upstreamDrained() {
    if connection.socket.readingPaused { factory.counters.add(.flowResumed) }
    connection.socket.continueReading()
    finishIfBothEnded()
  }

  // MARK: Upstream to downstream

  func upstreamReceived(_ socket: StreamSocket) {
    let count = socket.inbound.count
    factory.counters.add(.bytesSent, UInt64(count))
    record?.info.bodySent &+= UInt64(count)
    connection.output.append(socket.inbound.take(count))
    connection.flush()
    if connection.backlog > connection.bufferLimit {
      if !socket.readingPaused { cluster?.counters.add(.flowPaused) }
      socket.pauseReading()
      connection.socket.notifyWhenDrained()
    }
  }

  func upstreamHalfClosed() {
    upstreamEnded = true
    connection.shutdownWriting()
    finishIfBothEnded()
  }

  override func drained() {
    if upstream?.socket?.readingPaused == true { cluster?.counters.add(.flowResumed) }
    upstream?.socket?.continueReading()
    finishIfBothEnded()
  }

  /// The upstream failed or was reset. What it sent before still goes out; with nothing left, the
  /// client sees a reset as well, so that it cannot take what it has for the whole.
  func upstreamFailed() {
    noteBytes()
    upstream = nil
    if connection.backlog == 0 {
      connection.close(reset: true)
    } else {
      connection.linger(timeout: 1_000_000_000)
    }
  }

  private func finishIfBothEnded() {
    guard downstreamEnded, upstreamEnded, connected else { return }
    guard let upstream, let socket = upstream.socket else { return }
    if socket.outbound.isEmpty, connection.backlog == 0 {
      noteBytes()
      self.upstream = nil
      upstream.close(byPeer: true)
      connection.close()
      return
    }
    if !socket.outbound.isEmpty { socket.notifyWhenDrained() }
    if connection.backlog > 0 { connection.socket.notifyWhenDrained() }
  }

  // MARK: Time and the end

  private func touch() { armTimer() }

  private func lastActivity() -> UInt64 {
    Swift.max(connection.socket.lastActivity, upstream?.socket?.lastActivity ?? 0)
  }

  private func armTimer() {
    var deadline = Swift.min(durationDeadline, logDeadline)
    if factory.idleTimeout > 0 {
      deadline = Swift.min(deadline, lastActivity() &+ factory.idleTimeout)
    }
    if deadline != .max { timer.ensure(by: deadline, target: self, wheel: reactor.timers) }
  }

  override func timerFired(now: UInt64) {
    timer.fired()
    if connection.isClosed { return }
    if now >= logDeadline {
      logDeadline = now &+ (factory.accessLogger?.interval ?? 0)
      log(.tcpPeriodic)
    }
    if now >= durationDeadline {
      factory.counters.add(.maxDuration)
      record?.info.flags.formUnion(.durationTimeout)
      connection.close()
    } else if factory.idleTimeout > 0, now >= lastActivity() &+ factory.idleTimeout {
      factory.counters.add(.idleTimeout)
      connection.close()
    } else {
      armTimer()
    }
  }

  override func closed(byPeer: Bool) {
    finished = true
    timer.cancel(wheel: reactor.timers)
    noteBytes()
    let last = upstream
    upstream = nil
    last?.close(byPeer: false)
    record?.info.downstreamConnectionEnd = reactor.now
    log(.tcpConnectionEnd)
  }
}
