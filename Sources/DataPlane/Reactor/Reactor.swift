// The event loop of a worker: waits for sockets, timers and messages, and calls their owners.
//
// Its face to the rest is completion-shaped: owners hear "these bytes arrived" and "what you
// queued has been written" (`SocketHandler`), never "the descriptor is ready". Readiness and the
// epoll calls stay in this room, so that a second engine can stand behind the same face.
//
// One turn:
//
//     epoll_wait -> one clock read -> sources (each followed by its flushes) -> timers
//                -> reads that ran out of budget -> next turn
//
// Sockets are registered once, edge-triggered, for both directions: no epoll_ctl call is made
// after that. Each source has a slot and a generation, and the event carries both: an event for a
// source that was closed earlier in the same batch finds another generation and is dropped.
//
// Threading: everything here belongs to one worker, `Mailbox.post` excepted.
import CMartletSystem

/// Something with a descriptor in the reactor.
class EventSource: TimerTarget {
  /// Slot and generation in the reactor; 0 when not registered.
  fileprivate(set) var token: UInt64 = 0
  /// `events` are EPOLL bits.
  func ready(_ events: UInt32) {}
}

final class Reactor {
  /// Nanoseconds of the monotonic clock, read once a turn.
  private(set) var now: UInt64
  let timers: TimerWheel
  let pool = ChunkPool()

  private let epoll: Int32
  private var running = true

  private struct Slot {
    var source: Unmanaged<EventSource>?
    var generation: UInt32
    var nextFree: Int32
  }
  private var slots: UnsafeMutablePointer<Slot>
  private var slotCapacity = 256
  private var slotCount = 0
  private var freeSlot: Int32 = -1

  /// Sockets with something to write, flushed after the current callback.
  private var dirty: [StreamSocket] = []
  /// Sockets to be read again without waiting for an event.
  private var readable: [StreamSocket] = []
  private var readableNow: [StreamSocket] = []
  /// Called between events, when no callback of any connection is on the stack.
  private var deferred: [() -> Void] = []

  /// Events taken from the kernel at once. More do not save calls that matter; fewer do.
  private static let batch = 256

  init() throws(SystemError) {
    let epoll = martlet_epoll_create()
    if epoll < 0 { throw SystemError(call: "epoll_create1", code: -epoll) }
    self.epoll = epoll
    now = martlet_monotonic_nanoseconds()
    timers = TimerWheel(now: now)
    slots = .allocate(capacity: slotCapacity)
  }

  deinit {
    martlet_close(epoll)
    slots.deallocate()
  }

  // MARK: Sources

  /// Registers a source; it is retained until `unregister`. Negative errno on failure.
  func register(_ source: EventSource, descriptor: Int32, events: UInt32) -> Int32 {
    var index = freeSlot
    if index >= 0 {
      freeSlot = slots[Int(index)].nextFree
    } else {
      if slotCount == slotCapacity { growSlots() }
      index = Int32(slotCount)
      slotCount += 1
      (slots + Int(index)).initialize(to: Slot(source: nil, generation: 1, nextFree: -1))
    }
    let token = UInt64(slots[Int(index)].generation) << 32 | UInt64(index)
    let result = martlet_epoll_add(epoll, descriptor, events, token)
    if result < 0 {
      slots[Int(index)].nextFree = freeSlot
      freeSlot = index
      return result
    }
    slots[Int(index)].source = .passRetained(source)
    source.token = token
    return 0
  }

  /// Forgets a source. The caller closes the descriptor (which leaves epoll by that) or, keeping
  /// it open, passes it here.
  func unregister(_ source: EventSource, keeping descriptor: Int32? = nil) {
    guard source.token != 0 else { return }
    if let descriptor { _ = martlet_epoll_delete(epoll, descriptor) }
    let index = Int(source.token & 0xffff_ffff)
    source.token = 0
    slots[index].generation = slots[index].generation &+ 1
    if slots[index].generation == 0 { slots[index].generation = 1 }
    slots[index].nextFree = freeSlot
    freeSlot = Int32(index)
    let held = slots[index].source
    slots[index].source = nil
    held?.release()
  }

  private func growSlots() {
    let larger = UnsafeMutablePointer<Slot>.allocate(capacity: slotCapacity * 2)
    larger.moveInitialize(from: slots, count: slotCount)
    slots.deallocate()
    slots = larger
    slotCapacity *= 2
  }

  // MARK: The loop

  /// Runs until `stop`.
  func run() {
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Reactor.batch)
    defer { events.deallocate() }
    while running {
      var timeout: Int32 = -1
      if !readable.isEmpty || !deferred.isEmpty {
        timeout = 0
      } else if let milliseconds = timers.millisecondsToNext(now: now) {
        timeout = milliseconds
      }
      let count = martlet_epoll_wait(epoll, events, Int32(Reactor.batch), timeout)
      now = martlet_monotonic_nanoseconds()
      timers.wake(now: now)
      var index: Int32 = 0
      while index < count {
        let event = martlet_event_at(events, index)
        dispatch(event.token, event.events)
        index += 1
      }
      timers.advance(to: now)
      flushDirty()
      if !readable.isEmpty { readAgain() }
      if !deferred.isEmpty { runDeferred() }
    }
  }

  /// The loop ends after the current turn.
  func stop() { running = false }

  @inline(__always)
  private func dispatch(_ token: UInt64, _ events: UInt32) {
    let slot = slots + Int(token & 0xffff_ffff)
    guard slot.pointee.generation == UInt32(token >> 32), let held = slot.pointee.source else {
      return
    }
    // Retained for the call: a source may unregister itself in it.
    held.takeUnretainedValue().ready(events)
    flushDirty()
  }

  // MARK: What sockets ask for

  func markDirty(_ socket: StreamSocket) { dirty.append(socket) }

  @inline(__always)
  func flushDirty() {
    while let socket = dirty.popLast() { socket.flush() }
  }

  func markReadable(_ socket: StreamSocket) { readable.append(socket) }

  private func readAgain() {
    swap(&readable, &readableNow)
    for socket in readableNow {
      socket.resumeReading()
      flushDirty()
    }
    readableNow.removeAll(keepingCapacity: true)
  }

  /// Runs `body` when the stack has unwound to the loop. For rare things: it allocates.
  func `defer`(_ body: @escaping () -> Void) { deferred.append(body) }

  private func runDeferred() {
    let bodies = deferred
    deferred.removeAll()
    for body in bodies { body() }
    flushDirty()
  }
}

/// A failed system call.
struct SystemError: Error, CustomStringConvertible {
  let call: StaticString
  /// errno.
  let code: Int32
  var description: String { "\(call): \(String(cString: strerror(code)))" }
}
