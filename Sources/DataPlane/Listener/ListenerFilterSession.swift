// A new connection while its listener's filters look at it, before a chain is chosen: PROXY
// protocol, original destination; inspectors of the first bytes (TLS, HTTP) will stand here too.
// Bounded by the listener's `listener_filters_timeout`.
import Model

final class ListenerFilterSession: SocketHandler {
  private let listener: ListenerRuntime
  private let filters: [ListenerFilter]
  private var addresses: ConnectionAddresses
  private var socket: StreamSocket!
  private var next = 0
  private var timer = TimerID.none
  private var finished = false
  /// What the filters have stored. Nil: nothing.
  private var stored: StoredData?

  private init(_ listener: ListenerRuntime, _ addresses: ConnectionAddresses) {
    self.listener = listener
    self.addresses = addresses
    filters = listener.model.listenerFilters
  }

  static func begin(
    _ listener: ListenerRuntime, descriptor: Int32, addresses: ConnectionAddresses
  ) {
    let session = ListenerFilterSession(listener, addresses)
    let reactor = listener.context.reactor
    let socket = StreamSocket(
      reactor: reactor, descriptor: descriptor, connecting: false, handler: session)
    session.socket = socket
    guard socket.register() >= 0 else {
      listener.releaseLimits()
      return
    }
    listener.counters.add(.preConnectionActive)
    if let timeout = listener.model.listenerFiltersTimeout {
      session.timer = reactor.timers.add(session, at: reactor.now &+ timeout.clampedNanoseconds)
    }
    session.run()
  }

  /// Runs filters until one needs more bytes.
  private func run() {
    while !finished, next < filters.count {
      switch filters[next] {
      case .originalDestination:
        var isIPv6 = false
        if case .ip(let ip, _) = addresses.directRemote { isIPv6 = ip.family == .v6 }
        if let original = ListenSocketAddress.originalDestination(
          of: socket.descriptor, isIPv6: isIPv6)
        {
          addresses.local = original
          addresses.isLocalRestored = true
        }
        next += 1
      case .proxyProtocol(let filter):
        if !readProxyProtocol(filter) { return }
        next += 1
      }
    }
    if !finished { finish() }
  }

  // MARK: PROXY protocol

  /// True when the filter is done and the connection lives.
  private func readProxyProtocol(_ filter: ListenerFilter.ProxyProtocol) -> Bool {
    let counters = listener.proxyProtocolCounters
    if socket.inbound.isEmpty { return false }
    let view = ByteView(UnsafePointer(socket.inbound.bytes), socket.inbound.count)
    switch ProxyProtocolParser.parse(view) {
    case .needMore:
      return false
    case .notFound:
      if filter.allowRequestsWithoutProxyProtocol {
        counters?.add(.notFoundAllowed)
        return true
      }
      counters?.add(.notFoundDisallowed)
      refuse("no PROXY protocol header")
      return false
    case .malformed(let version):
      counters?.add(version == 1 ? .v1Error : .v2Error)
      refuse("malformed PROXY protocol header (version \(version))")
      return false
    case .header(let header):
      return accept(header, filter)
    }
  }

  private func accept(
    _ header: ProxyProtocolHeader, _ filter: ListenerFilter.ProxyProtocol
  ) -> Bool {
    let counters = listener.proxyProtocolCounters
    let isFirst = header.version == 1
    counters?.add(isFirst ? .v1Found : .v2Found)
    guard isFirst ? filter.acceptV1 : filter.acceptV2 else {
      counters?.add(isFirst ? .v1Disallowed : .v2Disallowed)
      // As Envoy: where connections without a header are let through, one with a version that is
      // not looked for is such a connection.
      if filter.allowRequestsWithoutProxyProtocol { return true }
      refuse("PROXY protocol version \(header.version) is disallowed")
      return false
    }
    socket.inbound.consume(header.length)
    if let source = header.source { addresses.remote = source }
    if let destination = header.destination {
      addresses.local = destination
      addresses.isLocalRestored = true
    }
    store(header.tlvs, filter)
    addresses.proxyProtocolTLVs = header.tlvs.filter { tlv in
      switch filter.passThroughTLVs {
      case .none: return false
      case .all: return true
      case .types(let types): return types.contains(tlv.type)
      }
    }.map { ($0.type, $0.value) }
    return true
  }

  /// As `rules` say. Of several values for one place the first stays in the metadata, and the last in
  /// the filter state, as in Envoy.
  private func store(_ tlvs: [ProxyProtocolHeader.TLV], _ filter: ListenerFilter.ProxyProtocol) {
    for tlv in tlvs {
      for rule in filter.rules where rule.type == tlv.type {
        let stored = self.stored ?? StoredData()
        self.stored = stored
        let tree = filter.storesInFilterState ? stored.filterState : stored.metadata
        let path = [
          filter.storesInFilterState ? "envoy.network.proxy_protocol.tlv" : rule.namespace, rule.key,
        ]
        if !filter.storesInFilterState, MetadataPath(path).find(in: tree) != nil { continue }
        _ = tree.set(path, text: ValidText.make(tlv.value))
      }
    }
  }

  private func refuse(_ reason: String) {
    listener.context.log(
      .debug, "filter", "listener '\(listener.model.name)', \(addresses.directRemote): \(reason)")
    end()
  }

  // MARK: From the socket

  override func socketReceived() {
    if finished { return }
    run()
    // No header is longer than the parser's limit; whatever is behind it can wait.
    if !finished, socket.inbound.count > ProxyProtocolParser.maxLength { refuse("too many bytes") }
  }

  override func socketEnded() {
    guard !finished else { return }
    listener.counters.add(.listenerFilterRemoteClose)
    end()
  }

  override func socketFailed(_ code: Int32) {
    guard !finished else { return }
    listener.counters.add(.listenerFilterError)
    end()
  }

  override func timerFired(now: UInt64) {
    timer = .none
    guard !finished else { return }
    listener.counters.add(.preConnectionTimeout)
    if listener.model.continueOnListenerFiltersTimeout { finish() } else { end() }
  }

  private func stop() {
    finished = true
    listener.counters.subtract(.preConnectionActive)
    listener.context.reactor.timers.cancel(&timer)
  }

  private func end() {
    stop()
    socket.close()
    listener.releaseLimits()
  }

  private func finish() {
    stop()
    var target = listener
    if listener.model.useOriginalDestination, let local = addresses.local,
      let other = listener.findListener(local), other !== listener
    {
      target = other
      listener.releaseLimits()
      guard other.takeOver() else {
        socket.close()
        return
      }
    }
    let connection = Connection(
      context: target.context, owner: target, addresses: addresses,
      bufferLimit: target.model.perConnectionBufferLimit)
    connection.stored = stored
    target.establish(connection, socket)
  }
}
