// Objects addressed by a 64-bit handle {worker, generation, slot}. A handle whose object has gone
// finds nothing: it can be kept by anybody (a plugin, another thread's message) without harm.
//
//     63      56 55            32 31  30 29        0
//     worker + 1   generation      kind     slot
//
// Filters look theirs up several times a request, so the slots lie in memory of their own, where a
// lookup retains nothing.

struct Handle: Equatable, Sendable {
  let rawValue: UInt64
  static let none = Handle(rawValue: 0)
}

final class Slab<Object: AnyObject> {
  struct Slot {
    var object: Unmanaged<Object>?
    /// The object was inserted; otherwise it was lent.
    var isHeld = false
    var generation: UInt32
    var nextFree: Int32
  }

  /// What a lookup needs, at an address that stays.
  struct Index {
    fileprivate(set) var slots: UnsafeMutablePointer<Slot>
    fileprivate(set) var count: Int
    /// The worker's and the kind's bits.
    fileprivate let tag: UInt64
    /// Whose slab it is, for those who have nothing but this address.
    var owner: UnsafeMutableRawPointer?

    @inline(__always)
    func find(_ handle: UInt64) -> Unmanaged<Object>? {
      let index = Int(handle & 0x3fff_ffff)
      guard index < count, handle & 0xff00_0000_c000_0000 == tag,
        slots[index].generation == UInt32(truncatingIfNeeded: handle >> 32) & 0xff_ffff
      else { return nil }
      return slots[index].object
    }
  }

  let index: UnsafeMutablePointer<Index>
  private var capacity = 16
  private var freeHead: Int32 = -1
  /// Objects that handles are out for.
  private(set) var count = 0

  /// `worker` is 0..<255. `kind` (0..<4) tells the slabs of a worker apart: a handle of one is never
  /// one of another.
  init(worker: Int, kind: Int = 0) {
    index = .allocate(capacity: 1)
    index.initialize(
      to: Index(
        slots: .allocate(capacity: capacity), count: 0,
        tag: UInt64(worker + 1) << 56 | UInt64(kind) << 30))
  }

  deinit {
    for place in 0..<index.pointee.count where index.pointee.slots[place].isHeld {
      index.pointee.slots[place].object?.release()
    }
    index.pointee.slots.deallocate()
    index.deallocate()
  }

  func insert(_ object: Object) -> Handle {
    let place = reserve()
    index.pointee.slots[place].object = Unmanaged.passRetained(object)
    index.pointee.slots[place].isHeld = true
    return handle(of: place)
  }

  @inline(__always)
  subscript(_ handle: Handle) -> Object? { index.pointee.find(handle.rawValue)?.takeUnretainedValue() }

  func remove(_ handle: Handle) {
    guard let object = index.pointee.find(handle.rawValue) else { return }
    let place = Int(handle.rawValue & 0x3fff_ffff)
    retire(place)
    index.pointee.slots[place].object = nil
    index.pointee.slots[place].isHeld = false
    free(place)
    object.release()
  }

  // MARK: Places of objects that are used again

  /// A place for one object after the other, or for one that is used again and again. No handle is out.
  func reserve() -> Int {
    if freeHead >= 0 {
      let place = Int(freeHead)
      freeHead = index.pointee.slots[place].nextFree
      return place
    }
    if index.pointee.count == capacity { grow() }
    let place = index.pointee.count
    (index.pointee.slots + place).initialize(to: Slot(object: nil, generation: 1, nextFree: -1))
    index.pointee.count += 1
    return place
  }

  /// The handle of what a reserved place holds from now on: not retained, it must be withdrawn before
  /// it goes.
  @inline(__always)
  func lend(_ object: Object, at place: Int) -> Handle {
    index.pointee.slots[place].object = Unmanaged.passUnretained(object)
    return handle(of: place)
  }

  /// The handle that was lent at this place finds nothing any more.
  @inline(__always)
  func withdraw(_ place: Int) {
    retire(place)
    index.pointee.slots[place].object = nil
  }

  /// Gives a reserved place back. No handle may be out.
  func free(_ place: Int) {
    index.pointee.slots[place].nextFree = freeHead
    freeHead = Int32(place)
  }

  @inline(__always)
  private func handle(of place: Int) -> Handle {
    count &+= 1
    let slab = index.pointee
    return Handle(rawValue: slab.tag | UInt64(slab.slots[place].generation) << 32 | UInt64(place))
  }

  @inline(__always)
  private func retire(_ place: Int) {
    let next = (index.pointee.slots[place].generation &+ 1) & 0xff_ffff
    index.pointee.slots[place].generation = next == 0 ? 1 : next
    count &-= 1
  }

  private func grow() {
    let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: index.pointee.slots, count: index.pointee.count)
    index.pointee.slots.deallocate()
    index.pointee.slots = larger
    capacity *= 2
  }

  /// A copy: the slab may change while it is walked.
  var all: [Object] {
    (0..<index.pointee.count).compactMap { index.pointee.slots[$0].object?.takeUnretainedValue() }
  }
}
