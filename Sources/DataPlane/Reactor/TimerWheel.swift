// Timers: a hierarchical wheel of one-millisecond ticks, in which adding, moving and cancelling a
// timer are a few writes, however many there are. Four levels of 256 slots reach 49 days; longer
// deadlines wait at the far end and are placed again when it comes round.
//
//     level 0   256 slots of 1 ms      level 2   256 slots of 65.5 s
//     level 1   256 slots of 256 ms    level 3   256 slots of 4.7 h
//
// A heap was rejected: most timers here (timeouts) are moved or cancelled and never fire, and a
// heap pays for each of those by its depth.
//
// Threading: belongs to one worker.

/// What a timer calls. `timerFired` runs on the worker and may add and cancel any timer.
class TimerTarget {
  func timerFired(now: UInt64) {}
}

/// Names a timer in a wheel; `none` names no timer.
struct TimerID: Equatable {
  fileprivate(set) var index: Int32
  static let none = TimerID(index: -1)
}

final class TimerWheel {
  private struct Node {
    /// Nanoseconds of the monotonic clock.
    var deadline: UInt64
    var target: Unmanaged<TimerTarget>?
    var next: Int32
    var previous: Int32
    /// level * 256 + slot; -1 when the node is free.
    var slot: Int32
  }

  private static let levels = 4
  private static let tickShift: UInt64 = 20  // 1.048576 ms: a shift instead of a division

  private var nodes: UnsafeMutablePointer<Node>
  private var nodeCapacity: Int32 = 64
  private var nodeCount: Int32 = 0
  private var freeHead: Int32 = -1
  /// First node of each slot; -1 when empty.
  private let slots: UnsafeMutablePointer<Int32>
  /// A bit a slot: whether it holds a node. Four words a level.
  private let occupied: UnsafeMutablePointer<UInt64>
  private var currentTick: UInt64
  private(set) var count = 0

  init(now: UInt64) {
    currentTick = now >> TimerWheel.tickShift
    nodes = .allocate(capacity: Int(nodeCapacity))
    slots = .allocate(capacity: TimerWheel.levels * 256)
    slots.initialize(repeating: -1, count: TimerWheel.levels * 256)
    occupied = .allocate(capacity: TimerWheel.levels * 4)
    occupied.initialize(repeating: 0, count: TimerWheel.levels * 4)
  }

  deinit {
    nodes.deallocate()
    slots.deallocate()
    occupied.deallocate()
  }

  /// The target is not retained: whoever owns it cancels its timers before it goes.
  func add(_ target: TimerTarget, at deadline: UInt64) -> TimerID {
    var index = freeHead
    if index >= 0 {
      freeHead = nodes[Int(index)].next
    } else {
      if nodeCount == nodeCapacity { grow() }
      index = nodeCount
      nodeCount += 1
    }
    (nodes + Int(index)).initialize(
      to: Node(
        deadline: deadline, target: .passUnretained(target), next: -1, previous: -1, slot: -1))
    place(index, earliest: currentTick + 1)
    count += 1
    return TimerID(index: index)
  }

  func move(_ timer: TimerID, to deadline: UInt64) {
    unlink(timer.index)
    nodes[Int(timer.index)].deadline = deadline
    place(timer.index, earliest: currentTick + 1)
  }

  /// Sets `timer` to none.
  func cancel(_ timer: inout TimerID) {
    guard timer.index >= 0 else { return }
    if nodes[Int(timer.index)].slot >= 0 { unlink(timer.index) }
    free(timer.index)
    timer = .none
  }

  private func free(_ index: Int32) {
    nodes[Int(index)].target = nil
    nodes[Int(index)].slot = -1
    nodes[Int(index)].next = freeHead
    freeHead = index
    count -= 1
  }

  private func grow() {
    let larger = UnsafeMutablePointer<Node>.allocate(capacity: Int(nodeCapacity) * 2)
    larger.moveInitialize(from: nodes, count: Int(nodeCount))
    nodes.deallocate()
    nodes = larger
    nodeCapacity *= 2
  }

  /// A deadline is rounded up to its tick, so that no timer fires early.
  private func place(_ index: Int32, earliest: UInt64) {
    let mask: UInt64 = (1 << TimerWheel.tickShift) - 1
    let deadline = nodes[Int(index)].deadline
    var tick = (deadline >> TimerWheel.tickShift) &+ (deadline & mask == 0 ? 0 : 1)
    if tick < earliest { tick = earliest }
    let distance = tick - currentTick
    let slot: Int
    if distance < 256 {
      slot = Int(tick & 255)
    } else if distance < 1 << 16 {
      slot = 256 + Int((tick >> 8) & 255)
    } else if distance < 1 << 24 {
      slot = 512 + Int((tick >> 16) & 255)
    } else {
      let far = Swift.min(tick, currentTick + (1 << 32) - (1 << 24))
      slot = 768 + Int((far >> 24) & 255)
    }
    let head = slots[slot]
    nodes[Int(index)].next = head
    nodes[Int(index)].previous = -1
    nodes[Int(index)].slot = Int32(slot)
    if head >= 0 { nodes[Int(head)].previous = index }
    slots[slot] = index
    occupied[slot >> 6] |= 1 << UInt64(slot & 63)
  }

  private func unlink(_ index: Int32) {
    let node = nodes[Int(index)]
    if node.slot < 0 { return }
    if node.previous >= 0 {
      nodes[Int(node.previous)].next = node.next
    } else {
      slots[Int(node.slot)] = node.next
      if node.next < 0 { occupied[Int(node.slot) >> 6] &= ~(1 << UInt64(node.slot & 63)) }
    }
    if node.next >= 0 { nodes[Int(node.next)].previous = node.previous }
    nodes[Int(index)].slot = -1
  }

  /// Brings an empty wheel up to `now`, so that a long sleep is not walked through tick by tick.
  @inline(__always)
  func wake(now: UInt64) {
    if count == 0 { currentTick = Swift.max(currentTick, now >> TimerWheel.tickShift) }
  }

  /// Fires everything due at `now`. A fired timer is gone: its owner's `TimerID` must be set to
  /// none in `timerFired` (`LazyTimer` does).
  func advance(to now: UInt64) {
    let target = now >> TimerWheel.tickShift
    if count == 0 {
      currentTick = Swift.max(currentTick, target)
      return
    }
    while currentTick < target {
      currentTick += 1
      if currentTick & 255 == 0 { cascade() }
      let slot = Int(currentTick & 255)
      while slots[slot] >= 0 {
        let index = slots[slot]
        unlink(index)
        let called = nodes[Int(index)].target
        free(index)
        called?.takeUnretainedValue().timerFired(now: now)
      }
      if count == 0 {
        currentTick = Swift.max(currentTick, target)
        return
      }
    }
  }

  private func cascade() {
    var level = 1
    while level < TimerWheel.levels {
      let slot = level * 256 + Int((currentTick >> UInt64(8 * level)) & 255)
      var index = slots[slot]
      slots[slot] = -1
      occupied[slot >> 6] &= ~(1 << UInt64(slot & 63))
      // What is due now goes to level 0's current slot, which is looked at after the cascade.
      while index >= 0 {
        let next = nodes[Int(index)].next
        place(index, earliest: currentTick)
        index = next
      }
      if (currentTick >> UInt64(8 * level)) & 255 != 0 { return }
      level += 1
    }
  }

  /// Milliseconds from `now` until something may be due; nil when there is no timer. May be early
  /// (at a cascade), never late by more than a tick.
  func millisecondsToNext(now: UInt64) -> Int32? {
    if count == 0 { return nil }
    var distance = 256 - (currentTick & 255)
    var step: UInt64 = 1
    let bits = occupied
    while step < distance {
      let slot = Int((currentTick + step) & 255)
      let word = bits[slot >> 6] >> UInt64(slot & 63)
      if word != 0 {
        let found = step + UInt64(word.trailingZeroBitCount)
        if found < distance { distance = found }
        break
      }
      step += UInt64(64 - (slot & 63))
    }
    let due = (currentTick + distance) << TimerWheel.tickShift
    if due <= now { return 0 }
    return Int32(Swift.min((due - now + 999_999) / 1_000_000, 3_600_000))
  }
}

/// A timeout that is moved far more often than it fires: moving it later only stores the new
/// deadline; the wheel is touched when it must fire earlier than it stands, or has fired.
struct LazyTimer {
  private var timer = TimerID.none
  /// Where the wheel has it.
  private var scheduled: UInt64 = .max

  /// Makes sure that the target hears from the wheel no later than `deadline` (`.max`: never).
  @inline(__always)
  mutating func ensure(by deadline: UInt64, target: TimerTarget, wheel: TimerWheel) {
    if deadline >= scheduled { return }
    schedule(deadline, target, wheel)
  }

  @inline(never)
  private mutating func schedule(_ deadline: UInt64, _ target: TimerTarget, _ wheel: TimerWheel) {
    scheduled = deadline
    if timer == .none {
      timer = wheel.add(target, at: deadline)
    } else {
      wheel.move(timer, to: deadline)
    }
  }

  /// To be called first in `timerFired`.
  mutating func fired() {
    timer = .none
    scheduled = .max
  }

  mutating func cancel(wheel: TimerWheel) {
    wheel.cancel(&timer)
    scheduled = .max
  }
}
