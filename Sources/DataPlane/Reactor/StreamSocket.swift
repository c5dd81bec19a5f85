// A connected (or connecting) stream socket: what has arrived, what is to be written, and the
// rules of reading and closing.
//
//     state      reading                            writing
//     connecting none                               queued
//     open       on unless paused or ended          flushed after each callback
//     lingering  read and thrown away until the     what is queued, then FIN
//                peer closes or the time is up
//     closed     none                               none; the descriptor is gone
//
// The handler consumes from `inbound` and appends to `outbound`, then calls `scheduleFlush`.
//
// A rejected design: calling the handler with (chunk, range) and letting it keep what it does not
// consume. Each protocol then needs its own reassembly; one region per socket needs none.
//
// Threading: belongs to its worker. Callbacks come from the loop only, never from inside a call
// of the handler's own, `close` excepted (`socketClosed` is called by whoever closes).
import CMartletSystem

/// Hears what happens to a socket. All calls on the worker.
class SocketHandler: TimerTarget {
  /// The connection stands. Nothing was read or written before it.
  func socketConnected() {}
  /// There is more in `inbound`. What is left there is offered again with the next bytes.
  func socketReceived() {}
  /// The peer has sent its last byte (after everything was offered).
  func socketEnded() {}
  /// `outbound` was over the low watermark when a flush could not finish, and is now empty.
  func socketDrained() {}
  /// The socket failed (errno) and is closed. Not called for `close` and lingering closes.
  func socketFailed(_ code: Int32) {}
  /// A lingering close has ended.
  func socketLingered(timedOut: Bool) {}
}

final class StreamSocket: EventSource {
  let reactor: Reactor
  private(set) var descriptor: Int32
  /// Strong, so that a registered socket keeps its owner; given up at `close`.
  private var handler: SocketHandler?

  var inbound = InboundBuffer()
  let outbound: OutboundQueue

  private enum State { case connecting, open, lingering, closed }
  private var state: State
  /// The kernel may have more for us: set by an event, cleared by EAGAIN or a short read.
  private var mayRead = false
  private var mayWrite = true
  /// The peer has closed its side; a read will find the end after the data.
  private var peerClosed = false
  private(set) var ended = false
  private var pauses: PauseReasons = []
  @inline(__always) var readingPaused: Bool { !pauses.isEmpty }
  private var inReadable = false
  private var inDirty = false
  /// A flush left something behind; the handler hears when it is gone.
  private var drainPending = false
  /// The last read filled its buffer: bulk data, so read with large chunks.
  private var bulk = false
  private var shutdownAfterFlush = false
  private var finSent = false
  private var lingerTimer = TimerID.none

  private(set) var bytesReceived: UInt64 = 0
  private(set) var bytesSent: UInt64 = 0
  /// When the last byte came or went, in the reactor's time.
  private(set) var lastActivity: UInt64

  /// Bytes read in one go before other sockets get their turn.
  private static let readBudget = 512 * 1024
  /// The smallest room worth a read call.
  private static let minimumRead = 2048
  /// What a lingering socket throws away before it is closed hard.
  private static let lingerBudget = 4 << 20
  private var lingerRead = 0

  /// Takes over `descriptor` (non-blocking).
  init(reactor: Reactor, descriptor: Int32, connecting: Bool, handler: SocketHandler) {
    self.reactor = reactor
    self.descriptor = descriptor
    self.handler = handler
    outbound = OutboundQueue(pool: reactor.pool)
    state = connecting ? .connecting : .open
    lastActivity = reactor.now
  }

  /// Negative errno on failure; the descriptor is closed then.
  func register() -> Int32 {
    let result = reactor.register(
      self, descriptor: descriptor,
      events: MARTLET_EPOLL_IN | MARTLET_EPOLL_OUT | MARTLET_EPOLL_RDHUP | MARTLET_EPOLL_ET)
    if result < 0 {
      martlet_close(descriptor)
      state = .closed
      handler = nil
    }
    return result
  }

  /// Another handler takes the socket over (a pooled connection never does; a listener does when
  /// its filters are done).
  func replaceHandler(_ handler: SocketHandler) { self.handler = handler }

  var isClosed: Bool { state == .closed }
  var isOpen: Bool { state == .open }

  // MARK: Reading

  override func ready(_ events: UInt32) {
    if state == .connecting {
      finishConnecting(events)
      if state != .open { return }
    }
    if events & (MARTLET_EPOLL_RDHUP | MARTLET_EPOLL_HUP | MARTLET_EPOLL_ERR) != 0 {
      peerClosed = true
      mayRead = true
    }
    if events & MARTLET_EPOLL_OUT != 0 {
      mayWrite = true
      if !outbound.isEmpty || shutdownAfterFlush { flush() }
    }
    if events & MARTLET_EPOLL_IN != 0 { mayRead = true }
    if mayRead { readLoop() }
  }

  private func readLoop() {
    if state == .lingering {
      discard()
      return
    }
    var budget = StreamSocket.readBudget
    while mayRead, !readingPaused, !ended, state == .open {
      inbound.prepare(minimum: StreamSocket.minimumRead, large: bulk, pool: reactor.pool)
      let space = inbound.tailSpace
      let count = Int(martlet_recv(descriptor, inbound.tail, space))
      if count > 0 {
        inbound.received(count)
        bytesReceived &+= UInt64(count)
        lastActivity = reactor.now
        bulk = count == space
        if count < space && !peerClosed { mayRead = false }
        budget -= count
        handler.unsafelyUnwrapped.socketReceived()
        // While the bytes are in the cache, and before more are queued behind them.
        if mayRead { reactor.flushDirty() }
        if budget <= 0 && mayRead && state == .open {
          scheduleRead()
          return
        }
      } else if count == 0 {
        if inbound.isEmpty { inbound.releaseChunk() }
        mayRead = false
        ended = true
        handler.unsafelyUnwrapped.socketEnded()
      } else if count == -Int(EAGAIN) {
        if inbound.isEmpty { inbound.releaseChunk() }
        mayRead = false
      } else {
        if inbound.isEmpty { inbound.releaseChunk() }
        fail(Int32(-count))
      }
    }
  }

  /// No more `socketReceived` until `resume`. Bytes wait in the kernel, which slows the peer.
  /// Who does not want more. Nothing is read while there is any.
  struct PauseReasons: OptionSet {
    let rawValue: UInt8
    /// Whoever handles the socket.
    static let handler = PauseReasons(rawValue: 1)
    /// Filters write more than the peer takes.
    static let output = PauseReasons(rawValue: 2)
    /// Filters hold more than they may.
    static let input = PauseReasons(rawValue: 4)
    /// A filter has asked for it.
    static let filter = PauseReasons(rawValue: 8)
  }

  @inline(__always)
  func pauseReading(_ reason: PauseReasons = .handler) { pauses.insert(reason) }

  @inline(__always)
  func continueReading(_ reason: PauseReasons = .handler) {
    guard pauses.remove(reason) != nil, pauses.isEmpty else { return }
    if state == .open, mayRead || !inbound.isEmpty { scheduleRead() }
  }

  private func scheduleRead() {
    if inReadable { return }
    inReadable = true
    reactor.markReadable(self)
  }

  /// From the reactor, for `scheduleRead`.
  func resumeReading() {
    inReadable = false
    guard state == .open || state == .lingering else { return }
    if state == .open, !readingPaused, !inbound.isEmpty {
      handler.unsafelyUnwrapped.socketReceived()
    }
    if mayRead { readLoop() }
  }

  // MARK: Writing

  /// What is in `outbound` is written when the current callback returns.
  @inline(__always)
  func scheduleFlush() {
    if inDirty || state == .closed { return }
    inDirty = true
    reactor.markDirty(self)
  }

  func flush() {
    inDirty = false
    guard state == .open || state == .lingering else { return }
    while mayWrite, !outbound.isEmpty {
      let count = outbound.sliceCount == 1 ? writeOne() : writeMany()
      if count >= 0 {
        bytesSent &+= UInt64(count)
        lastActivity = reactor.now
        if state == .lingering { reactor.timers.move(lingerTimer, to: reactor.now &+ lingerTime) }
        let all = count == pendingVectorBytes
        outbound.written(count)
        if !all { mayWrite = false }
      } else if count == -Int(EAGAIN) {
        mayWrite = false
      } else {
        writeFailed(Int32(-count))
        return
      }
    }
    if outbound.isEmpty {
      if shutdownAfterFlush { sendFIN() }
      if closeAfterFlush, state == .lingering {
        endLinger(timedOut: false)
        return
      }
      if drainPending, state == .open {
        drainPending = false
        handler.unsafelyUnwrapped.socketDrained()
      }
    } else {
      drainPending = true
    }
  }

  /// The peer takes nothing more, but what it said before it closed (an early answer to an upload,
  /// say) may still be there to read: reading on finds it, and then the end or the error.
  private func writeFailed(_ code: Int32) {
    outbound.removeAll()
    guard state == .open, !ended, !writingFailed else {
      fail(code)
      return
    }
    writingFailed = true
    mayRead = true
    peerClosed = true
    if readingPaused { fail(code) } else { scheduleRead() }
  }
  private var writingFailed = false

  /// `socketDrained` is called when nothing is queued any more, even if that is at once.
  func notifyWhenDrained() {
    drainPending = true
    scheduleFlush()
  }

  /// Bytes offered to the kernel by the last write call.
  private var pendingVectorBytes = 0

  @inline(__always)
  private func writeOne() -> Int {
    let (bytes, count) = outbound.first
    pendingVectorBytes = count
    return Int(martlet_send(descriptor, bytes, count))
  }

  private func writeMany() -> Int {
    withUnsafeTemporaryAllocation(of: iovec.self, capacity: OutboundQueue.maxVectors) { vectors in
      var used = 0
      var total = 0
      outbound.forEachVector { bytes, count in
        vectors[used] = iovec(iov_base: bytes, iov_len: count)
        used += 1
        total += count
      }
      pendingVectorBytes = total
      return Int(martlet_sendv(descriptor, vectors.baseAddress, used))
    }
  }

  /// The write side is closed when everything queued is out (half-close).
  func shutdownWriting() {
    shutdownAfterFlush = true
    scheduleFlush()
  }

  private func sendFIN() {
    shutdownAfterFlush = false
    guard !finSent else { return }
    finSent = true
    _ = martlet_shutdown_write(descriptor)
  }

  // MARK: Connecting and closing

  private func finishConnecting(_ events: UInt32) {
    if events & (MARTLET_EPOLL_OUT | MARTLET_EPOLL_ERR | MARTLET_EPOLL_HUP) == 0 { return }
    let code = martlet_socket_error(descriptor)
    if code != 0 {
      fail(code < 0 ? -code : code)
      return
    }
    state = .open
    lastActivity = reactor.now
    handler.unsafelyUnwrapped.socketConnected()
  }

  private func fail(_ code: Int32) {
    let lingering = state == .lingering
    let owner = handler
    close()
    if lingering { owner?.socketLingered(timedOut: false) } else { owner?.socketFailed(code) }
  }

  /// Gone at once: unread and unwritten bytes are lost. `reset`: the peer gets RST, so that it
  /// cannot take what it has for the whole.
  func close(reset: Bool = false) {
    if state == .closed { return }
    state = .closed
    reactor.timers.cancel(&lingerTimer)
    reactor.unregister(self)
    if reset { _ = martlet_reset_on_close(descriptor) }
    martlet_close(descriptor)
    descriptor = -1
    inbound.releaseChunk()
    outbound.removeAll()
    handler = nil
  }

  /// Writes what is queued, sends FIN, and waits up to `timeout` nanoseconds for the peer to
  /// close, throwing away what it still sends: closing with unread bytes would be a RST that can
  /// destroy the answer on its way (RFC 9112 section 9.6). A timeout of nil closes after the flush.
  func lingerAndClose(timeout: UInt64?) {
    guard state == .open else {
      close()
      return
    }
    state = .lingering
    inbound.releaseChunk()
    pauses = []
    shutdownAfterFlush = true
    // Without a limit for the peer's closing there is still one for its reading.
    lingerTime = timeout ?? 1_000_000_000
    lingerTimer = reactor.timers.add(self, at: reactor.now &+ lingerTime)
    // Who has said his last already says nothing more to wait for.
    closeAfterFlush = timeout == nil || ended
    scheduleFlush()
    if mayRead || ended || peerClosed {
      mayRead = true
      scheduleRead()
    }
  }
  private var closeAfterFlush = false
  /// How long without a byte written a lingering socket may stand.
  private var lingerTime: UInt64 = 0

  private func discard() {
    let scratch = reactor.pool.small()
    defer { scratch.release() }
    while state == .lingering {
      let count = Int(martlet_recv(descriptor, scratch.bytes, scratch.capacity))
      if count > 0 {
        lingerRead += count
        if lingerRead > StreamSocket.lingerBudget { endLinger(timedOut: false) }
      } else if count == -Int(EAGAIN) {
        mayRead = false
        return
      } else if count == 0 && !outbound.isEmpty {
        // The peer has ended its side only; it may still read our answer.
        mayRead = false
        closeAfterFlush = true
        return
      } else {
        endLinger(timedOut: false)
      }
    }
  }

  private func endLinger(timedOut: Bool) {
    let owner = handler
    close()
    owner?.socketLingered(timedOut: timedOut)
  }

  override func timerFired(now: UInt64) {
    lingerTimer = .none
    if state == .lingering { endLinger(timedOut: true) }
  }
}
