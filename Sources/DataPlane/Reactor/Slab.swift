// Objects addressed by a 64-bit handle {worker, generation, slot}. A handle whose object has gone
// finds nothing: it can be kept by anybody (a plugin, another thread's message) without harm.
//
//     63      56 55            32 31  30 29        0
//     worker + 1   generation      kind     slot

struct Handle: Equatable, Sendable {
  let rawValue: UInt64
  static let none = Handle(rawValue: 0)
}

final class Slab<Object: AnyObject> {
  private struct Slot {
    var object: Object?
    var generation: UInt32
    var nextFree: Int32
  }
  /// The worker's and the kind's bits.
  private let tag: UInt64
  private static var tagMask: UInt64 { 0xff00_0000_c000_0000 }
  private var slots: [Slot] = []
  private var freeHead: Int32 = -1
  private(set) var count = 0

  /// `worker` is 0..<255. `kind` (0..<4) tells the slabs of a worker apart: a handle of one is never
  /// one of another.
  init(worker: Int, kind: Int = 0) { tag = UInt64(worker + 1) << 56 | UInt64(kind) << 30 }

  func insert(_ object: Object) -> Handle {
    count += 1
    let index: Int
    if freeHead >= 0 {
      index = Int(freeHead)
      freeHead = slots[index].nextFree
      slots[index].object = object
    } else {
      index = slots.count
      slots.append(Slot(object: object, generation: 1, nextFree: -1))
    }
    return Handle(rawValue: tag | UInt64(slots[index].generation) << 32 | UInt64(index))
  }

  @inline(__always)
  subscript(_ handle: Handle) -> Object? {
    let index = Int(handle.rawValue & 0x3fff_ffff)
    guard index < slots.count, handle.rawValue & Slab.tagMask == tag,
      slots[index].generation == UInt32(handle.rawValue >> 32 & 0xff_ffff)
    else { return nil }
    return slots[index].object
  }

  func remove(_ handle: Handle) {
    guard self[handle] != nil else { return }
    let index = Int(handle.rawValue & 0x3fff_ffff)
    slots[index].object = nil
    let next = (slots[index].generation + 1) & 0xff_ffff
    slots[index].generation = next == 0 ? 1 : next
    slots[index].nextFree = freeHead
    freeHead = Int32(index)
    count -= 1
  }

  /// A copy: the slab may change while it is walked.
  var all: [Object] { slots.compactMap(\.object) }
}
