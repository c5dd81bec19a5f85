// A downstream connection: a socket, the network filters of its chain in order, and the terminal
// filter at their end.
//
//     bytes in  -> filter 0 -> filter 1 -> ... -> terminal
//     bytes out <- filter 0 <- filter 1 <- ... <- terminal      (only where a filter asks for it)
//
// A chain of the terminal alone, the usual one, pays nothing for the possibility.
//
// Threading: belongs to its worker.
import CMartletABI
import CMartletSystem
import Glibc
import Model

/// Whoever accepted the connection and counts it.
class ConnectionOwner {
  /// Of its listener. Nil: there is none.
  var metadata: MetadataTree? { nil }
  /// Of its listener.
  var nameText: ByteView { MessageHead.empty }
  /// Its listener's traffic direction is inbound.
  var isInbound: Bool { false }
  func connectionClosed(_ connection: Connection) {}
  /// Of the owner's access log.
  var formatNeeds: FormatNeeds { [] }
  /// Connections keep a `StreamInfo` for the owner's access log.
  var keepsInfo: Bool { false }
}

/// What is known of a connection's ends beyond the socket itself.
struct ConnectionAddresses {
  /// The peer, as the listener filters left it.
  var remote: SocketAddress
  /// The peer of the socket itself.
  var directRemote: SocketAddress
  /// Where the peer connected to, as the listener filters left it. Nil until somebody asks.
  var local: SocketAddress?
  /// `remote` as x-forwarded-for has it; empty until somebody asks.
  var remoteText: [UInt8] = []
  /// Where the socket says that it is. Nil until somebody asks.
  var directLocal: SocketAddress?
  /// `local` is not the socket's own: a listener filter has restored it.
  var isLocalRestored = false
  /// PROXY protocol TLVs that were asked to be kept.
  var proxyProtocolTLVs: [(type: UInt8, value: [UInt8])] = []
}

extension ConnectionAddresses {
  /// Where the client was going before it was sent here. Nil: it came straight.
  var restoredLocal: SocketAddress? { isLocalRestored ? local : nil }
}

/// The `StreamInfo` of a connection, where an access log wants one.
final class ConnectionInfo {
  var info: StreamInfo
  /// Kept for the last line; `info` only refers to it.
  var endpoint: EndpointRuntime?
  private var failure: OwnedText?
  /// The terminal filter counts the bytes in `info`; otherwise they are the socket's.
  var countsOwnBytes = false

  private var attempted: AttemptList?

  init(start: UInt64) { info = StreamInfo(start: start) }

  /// The list of them, made at first asking.
  func attempts() -> AttemptList {
    if let attempted { return attempted }
    let made = AttemptList()
    attempted = made
    info.attempted = made
    return made
  }

  /// An upstream connection could not be made (errno; 0: in time).
  func noteFailure(_ code: Int32) {
    guard code != 0 else { return }
    let text = TransportFailureText.make(code)
    failure = text
    info.upstreamTransportFailure = text.view
  }
}

final class Connection: DescribedConnection {
  let context: WorkerContext
  let owner: ConnectionOwner
  private(set) var socket: StreamSocket!
  var addresses: ConnectionAddresses
  let bufferLimit: Int
  private let id: UInt64
  private let start: UInt64
  /// The chain that it was given; nil before that.
  private(set) var filterChain: NetworkChain?
  /// Nil where no access log asks for it.
  var record: ConnectionInfo?
  /// For the last line of an access log.
  private var lastRoundTrip: UInt64?
  private var reset = ConnectionReset.nobody
  /// What filters have attached (nil: nothing); it goes when nothing holds the connection any more.
  var attachments: ConnectionAttachments?
  /// In the worker's slab, while open.
  var handle = Handle.none
  /// The reactor's time when it was accepted.
  let openedAt: UInt64
  private var terminal: TerminalFilter?
  private var chain: NetworkChainInstance?
  private var started = false
  private var heldForOutput = false
  private var heldForInput = false
  private var hasSaidLast = false
  private var isLingering = false
  private(set) var isClosed = false

  init(
    context: WorkerContext, owner: ConnectionOwner, addresses: ConnectionAddresses, bufferLimit: Int
  ) {
    self.context = context
    self.owner = owner
    self.addresses = addresses
    self.bufferLimit = bufferLimit
    openedAt = context.reactor.now
    id = context.nextConnectionID()
    start = context.reactor.now
    super.init()
    if owner.keepsInfo { record = ConnectionInfo(start: start) }
  }

  /// The record, made at first asking.
  func keepRecord() -> ConnectionInfo {
    if let record { return record }
    let made = ConnectionInfo(start: start)
    record = made
    return made
  }

  /// Where filters store what is known of the connection.
  func storedForWriting() -> StoredData {
    if let stored { return stored }
    let made = StoredData()
    stored = made
    return made
  }

  // MARK: For formats

  override var connectionID: UInt64 { id }
  override var startTime: UInt64 { start }
  override var remoteAddress: SocketAddress? { addresses.remote }
  override var directRemoteAddress: SocketAddress? { addresses.directRemote }
  override var localAddressForFormats: SocketAddress? {
    if addresses.local != nil || (socket != nil && !socket.isClosed) { return localAddress() }
    return nil
  }
  override var directLocalAddress: SocketAddress? {
    if let direct = addresses.directLocal { return direct }
    guard socket != nil, !socket.isClosed else { return addresses.local }
    let local = ListenSocketAddress.local(of: socket.descriptor)
    addresses.directLocal = local
    return local
  }
  override var listenerName: ByteView { owner.nameText }
  override var roundTripTime: UInt64? {
    guard socket != nil, !socket.isClosed else { return lastRoundTrip }
    let found = martlet_round_trip(socket.descriptor)
    return found < 0 ? nil : UInt64(found)
  }
  override var resetBy: ConnectionReset { reset }
  override var filterChainMetadata: MetadataTree? { filterChain?.metadata }
  override var listenerMetadata: MetadataTree? { owner.metadata }
  override var filterChainName: ByteView { filterChain?.nameText.view ?? MessageHead.empty }
  /// Local addresses cannot be asked for when the socket is gone.
  func rememberAddresses() {
    _ = localAddressForFormats
    _ = directLocalAddress
  }

  /// Takes a registered socket over and starts the chain. Bytes that are there already are
  /// offered at once.
  func start(socket: StreamSocket, chain factory: NetworkChain) {
    self.socket = socket
    filterChain = factory
    socket.replaceHandler(self)
    if record != nil { rememberAddresses() }
    if !factory.filters.isEmpty {
      guard let chain = NetworkChainInstance(factory, connection: self) else {
        close()
        return
      }
      self.chain = chain
      if let mode = chain.create() {
        if mode == MARTLET_CLOSE_FLUSH { linger(timeout: 1_000_000_000) } else { close() }
        return
      }
    }
    terminal = factory.terminal?.make(self)
    if chain == nil {
      started = true
      terminal?.start()
    } else {
      chain?.newConnection()
    }
    if !isClosed, !socket.inbound.isEmpty { socketReceived() }
    if !isClosed, socket.ended { socketEnded() }
  }

  /// The filters before the terminal have all let the connection through.
  func startTerminal() {
    if started { return }
    started = true
    terminal?.start()
  }

  // MARK: For the terminal and the filters

  /// What has arrived. Consumed by the terminal, or by filters that stop before it.
  var inbound: InboundBuffer {
    @inline(__always) _read { yield socket.inbound }
    @inline(__always) _modify { yield &socket.inbound }
  }

  /// Where answers are queued. Call `flush` after it.
  @inline(__always)
  var output: OutboundQueue { chain?.staging ?? socket.outbound }

  @inline(__always)
  func flush() {
    if let chain, chain.staging != nil { chain.runWriteFilters() }
    socket.scheduleFlush()
  }

  /// Bytes queued and not yet taken by the kernel.
  var backlog: Int { socket.outbound.byteCount + (chain?.staging?.byteCount ?? 0) }

  func localAddress() -> SocketAddress {
    if let local = addresses.local { return local }
    let local = ListenSocketAddress.local(of: socket.descriptor) ?? addresses.directRemote
    addresses.local = local
    return local
  }

  /// Half-close: FIN once everything queued is out.
  func shutdownWriting() { socket.shutdownWriting() }

  /// The filter at the end of the chain has said its last.
  func endWriting() {
    shutdownWriting()
    hasSaidLast = true
    closeWhenBothHaveEnded()
  }

  /// Nothing can come of it any more: without this it would stand for ever, unless the filter thought of
  /// closing it.
  private func closeWhenBothHaveEnded() {
    if hasSaidLast, !isClosed, socket.ended { chain?.requestClose(MARTLET_CLOSE_FLUSH) }
  }

  /// Gone at once.
  func close(reset: Bool = false) {
    guard !isClosed else { return }
    isClosed = true
    if reset { self.reset = .proxy }
    if record != nil { lastRoundTrip = roundTripTime }
    socket.close(reset: reset)
    finish(byPeer: false)
  }

  /// Flushes, then waits for the peer to close; see `StreamSocket.lingerAndClose`. The terminal
  /// hears `lingered`, then nothing more.
  func linger(timeout: UInt64?) {
    // A second time would close the socket under the connection, which would never hear of it.
    guard !isClosed, !isLingering else { return }
    isLingering = true
    socket.lingerAndClose(timeout: timeout)
  }

  func drain() {
    if let terminal { terminal.drain() }
  }

  /// A new configuration has another chain in the place of this one's. False: the connection keeps the old
  /// one to its end.
  func succeed(by next: NetworkChain) -> Bool {
    guard let old = filterChain, old.hasSameFilters(as: next), let terminal, let factory = next.terminal,
      terminal.succeed(by: factory)
    else { return false }
    // Filters in front of the terminal keep the chain that they were made of alive.
    if chain == nil { filterChain = next }
    return true
  }

  // MARK: For the host services of the C interface

  /// What is being written, inside an on_write hook; nil elsewhere.
  var stagingInHook: OutboundQueue? {
    guard let chain, chain.isWriting else { return nil }
    return chain.staging
  }
  /// A filter that answers what it reads must not be able to fill the memory with answers that
  /// nobody takes: over the limit, the peer is not read until it has taken them.
  func filterWrote() {
    socket.scheduleFlush()
    guard socket.outbound.byteCount > bufferLimit, !heldForOutput else { return }
    heldForOutput = true
    socket.pauseReading(.output)
    socket.notifyWhenDrained()
  }
  /// A filter that stops without draining must not be able to fill the memory either: over the
  /// limit, the peer is not read until the filter drains or goes on.
  private func holdInput() {
    guard !isClosed, !heldForInput, socket.inbound.count >= bufferLimit else { return }
    heldForInput = true
    socket.pauseReading(.input)
  }
  func releaseInput() {
    guard heldForInput, !isClosed, socket.inbound.count < bufferLimit else { return }
    heldForInput = false
    socket.continueReading(.input)
  }
  func requestClose(_ mode: Int32) { chain?.requestClose(mode) }
  func requestContinue(_ slot: NetworkFilterSlot) { chain?.requestContinue(slot) }
  /// What has come goes to the terminal, for the filters have let it through.
  func deliver(end: Bool) {
    guard started, !isClosed else { return }
    if !inbound.isEmpty { terminal?.received() }
    guard end, !isClosed else { return }
    if let terminal { terminal.ended() } else { close() }
  }

  // MARK: From the socket

  override func socketReceived() {
    if let chain, !chain.offerData(end: false) {
      holdInput()
      return
    }
    if started { terminal?.received() }
  }

  override func socketEnded() {
    if let chain, !chain.offerData(end: true) {
      closeWhenBothHaveEnded()
      return
    }
    if started, let terminal { terminal.ended() } else { close() }
  }

  override func socketDrained() {
    if heldForOutput {
      heldForOutput = false
      socket.continueReading(.output)
    }
    terminal?.drained()
  }

  override func socketFailed(_ code: Int32) {
    guard !isClosed else { return }
    isClosed = true
    if code == ECONNRESET { reset = .peer }
    finish(byPeer: true)
  }

  override func socketLingered(timedOut: Bool) {
    guard !isClosed else { return }
    isClosed = true
    terminal?.lingered(timedOut: timedOut)
    finish(byPeer: false)
  }

  private func finish(byPeer: Bool) {
    let last = terminal
    terminal = nil
    last?.closed(byPeer: byPeer)
    // The owner's access log still speaks of what the terminal kept alive.
    withExtendedLifetime(last) { owner.connectionClosed(self) }
    chain?.close()
    chain = nil
  }
}
