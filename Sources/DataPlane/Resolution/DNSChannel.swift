// Asking DNS servers, by c-ares: one channel for all clusters with the same options.
//
// The library does the protocol; its sockets and its timeouts are the reactor's. A channel's
// library handle is replaced when its options ask for it (so many questions, so old, a timeout);
// the old one goes when its last question is answered.
//
// Threading: belongs to the resolution thread.
import CAres
import CMartletSystem
import Model

/// What a question came to.
enum DNSAnswer {
  /// Addresses in the order of the answer (none: the name has none), and the least time to live.
  case addresses([IPAddress], timeToLive: UInt32)
  case failed(String)
}

final class DNSChannel {
  private let options: DNSResolver
  private let reactor: Reactor
  private var current: DNSHandle?
  private var questions: UInt32 = 0
  private var opened: UInt64 = 0

  init(_ options: DNSResolver, reactor: Reactor) {
    self.options = options
    self.reactor = reactor
  }

  /// Asks for one family (AF_INET, AF_INET6) or both (AF_UNSPEC). The answer may come from inside.
  func ask(_ name: String, family: Int32, _ answered: @escaping (DNSAnswer) -> Void) {
    guard let handle = handle() else {
      answered(.failed("the resolver cannot be opened"))
      return
    }
    questions &+= 1
    handle.ask(name, family: family) { [self] answer, timedOut in
      if timedOut, options.reopensOnTimeout, handle === current { current = nil }
      answered(answer)
    }
  }

  private func handle() -> DNSHandle? {
    if let limit = options.maxUDPQueries, questions >= limit { current = nil }
    if let age = options.maxUDPDuration, reactor.now &- opened >= age.clampedNanoseconds {
      current = nil
    }
    if let current { return current }
    questions = 0
    opened = reactor.now
    current = DNSHandle(options, reactor: reactor)
    return current
  }
}

/// One handle of the library. Lives while it is its channel's, or has questions.
private final class DNSHandle: TimerTarget {
  private let reactor: Reactor
  private var channel: ares_channel?
  private var sockets: [Int32: DNSSocket] = [:]
  private var timer = TimerID.none

  init?(_ model: DNSResolver, reactor: Reactor) {
    self.reactor = reactor
    super.init()
    var options = ares_options()
    var mask = ARES_OPT_FLAGS | ARES_OPT_SOCK_STATE_CB
    options.flags = 0
    if model.usesTCP { options.flags |= ARES_FLAG_USEVC }
    if model.ignoresSearchList { options.flags |= ARES_FLAG_NOSEARCH }
    if let size = model.ednsPayloadSize {
      options.flags |= ARES_FLAG_EDNS
      options.ednspsz = Int32(clamping: size)
      mask |= ARES_OPT_EDNSPSZ
    }
    if let seconds = model.queryTimeoutSeconds {
      options.timeout = Int32(clamping: seconds) > 2_000_000 ? .max : Int32(clamping: seconds) * 1000
      mask |= ARES_OPT_TIMEOUTMS
    }
    if let tries = model.queryTries {
      options.tries = Int32(clamping: tries)
      mask |= ARES_OPT_TRIES
    }
    mask |= model.rotatesServers ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE
    options.sock_state_cb = { data, descriptor, readable, writable in
      guard let data else { return }
      Unmanaged<DNSHandle>.fromOpaque(data).takeUnretainedValue()
        .watch(descriptor, readable: readable != 0, writable: writable != 0)
    }
    options.sock_state_cb_data = Unmanaged.passUnretained(self).toOpaque()
    guard ares_init_options(&channel, &options, mask) == MARTLET_ARES_SUCCESS, channel != nil
    else { return nil }
    if !model.servers.isEmpty, !model.serversAreFallback || !hasSystemServers() {
      let text = model.servers.map { "\($0)" }.joined(separator: ",")
      guard ares_set_servers_ports_csv(channel, text) == MARTLET_ARES_SUCCESS else { return nil }
    }
  }

  deinit {
    // Its sockets end by `watch`, which may not see an object that is going.
    reactor.timers.cancel(&timer)
    for socket in sockets.values { reactor.unregister(socket, keeping: socket.descriptor) }
    sockets.removeAll()
    if let channel { ares_destroy(channel) }
  }

  /// The library puts 127.0.0.1 where the system names no server.
  private func hasSystemServers() -> Bool {
    var list: UnsafeMutablePointer<ares_addr_port_node>?
    guard ares_get_servers_ports(channel, &list) == MARTLET_ARES_SUCCESS else { return false }
    defer { ares_free_data(list) }
    guard let first = list?.pointee else { return false }
    let isLoopback =
      first.family == AF_INET && UInt32(bigEndian: first.addr.addr4.s_addr) == 0x7f00_0001
    return first.next != nil || !isLoopback
  }

  // MARK: Questions

  private final class Question {
    let handle: DNSHandle
    let answered: (DNSAnswer, Bool) -> Void
    init(_ handle: DNSHandle, _ answered: @escaping (DNSAnswer, Bool) -> Void) {
      self.handle = handle
      self.answered = answered
    }
  }

  /// `answered` hears the answer, and whether it is for want of one in time.
  func ask(
    _ name: String, family: Int32, _ answered: @escaping (DNSAnswer, _ timedOut: Bool) -> Void
  ) {
    var hints = ares_addrinfo_hints()
    hints.ai_family = family
    hints.ai_flags = ARES_AI_NOSORT
    let question = Unmanaged.passRetained(Question(self, answered))
    ares_getaddrinfo(
      channel, name, nil, &hints,
      { argument, status, _, result in
        guard let argument else { return }
        let question = Unmanaged<Question>.fromOpaque(argument).takeRetainedValue()
        defer { ares_freeaddrinfo(result) }
        if status == MARTLET_ARES_EDESTRUCTION { return }
        question.answered(
          DNSHandle.answer(status, result), status == MARTLET_ARES_ETIMEOUT)
        question.handle.arm()
      }, question.toOpaque())
    arm()
  }

  private static func answer(
    _ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?
  ) -> DNSAnswer {
    if status == MARTLET_ARES_ENODATA || status == MARTLET_ARES_ENOTFOUND {
      return .addresses([], timeToLive: 0)
    }
    guard status == MARTLET_ARES_SUCCESS else {
      return .failed(ares_strerror(status).map { String(cString: $0) } ?? "error \(status)")
    }
    var addresses: [IPAddress] = []
    var timeToLive = Int32.max
    var node = result?.pointee.nodes
    while let entry = node?.pointee {
      node = entry.ai_next
      var system = SystemAddress()
      guard let raw = entry.ai_addr, Int(entry.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size
      else { continue }
      withUnsafeMutableBytes(of: &system.storage) {
        $0.copyMemory(from: UnsafeRawBufferPointer(start: raw, count: Int(entry.ai_addrlen)))
      }
      guard case .ip(let ip, _)? = system.address, !addresses.contains(ip) else { continue }
      addresses.append(ip)
      timeToLive = Swift.min(timeToLive, entry.ai_ttl)
    }
    return .addresses(
      addresses, timeToLive: addresses.isEmpty ? 0 : UInt32(Swift.max(timeToLive, 0)))
  }

  // MARK: Sockets and time

  private func watch(_ descriptor: Int32, readable: Bool, writable: Bool) {
    if let socket = sockets.removeValue(forKey: descriptor) {
      reactor.unregister(socket, keeping: descriptor)
    }
    guard readable || writable else { return }
    let socket = DNSSocket(self, descriptor)
    let events = (readable ? MARTLET_EPOLL_IN : 0) | (writable ? MARTLET_EPOLL_OUT : 0)
    // Without it the question ends by its timeout.
    if reactor.register(socket, descriptor: descriptor, events: events) >= 0 {
      sockets[descriptor] = socket
    }
  }

  fileprivate func process(_ descriptor: Int32, _ events: UInt32) {
    let failed = events & (MARTLET_EPOLL_ERR | MARTLET_EPOLL_HUP) != 0
    let readable = failed || events & MARTLET_EPOLL_IN != 0
    let writable = failed || events & MARTLET_EPOLL_OUT != 0
    ares_process_fd(channel, readable ? descriptor : -1, writable ? descriptor : -1)
    arm()
  }

  private func arm() {
    reactor.timers.cancel(&timer)
    var left = timeval()
    guard ares_timeout(channel, nil, &left) != nil else { return }
    let nanoseconds = UInt64(left.tv_sec) * 1_000_000_000 + UInt64(left.tv_usec) * 1000
    timer = reactor.timers.add(self, at: reactor.now &+ nanoseconds)
  }

  override func timerFired(now: UInt64) {
    timer = .none
    withExtendedLifetime(self) {
      ares_process_fd(channel, -1, -1)
      arm()
    }
  }
}

/// A socket of the library's.
private final class DNSSocket: EventSource {
  private unowned let handle: DNSHandle
  let descriptor: Int32

  init(_ handle: DNSHandle, _ descriptor: Int32) {
    self.handle = handle
    self.descriptor = descriptor
  }

  override func ready(_ events: UInt32) {
    // The answer may let go of the handle, and of this.
    let handle = handle
    withExtendedLifetime((self, handle)) { handle.process(descriptor, events) }
  }
}
