// Objects addressed by a 64-bit handle {worker, generation, slot}. A handle whose object has gone
// finds nothing: it can be kept by anybody (a plugin, another thread's message) without harm.
//
//     63      56 55            32 31  30 29        0
//     worker + 1   generation      kind     slot
//
// Filters look theirs up several times a request, so what a lookup needs lies side by side in memory of its
// own: a place's handle and its object, found by the handle's low bits and compared as one word. A lookup
// retains nothing.

struct Handle: Equatable, Sendable {
  let rawValue: UInt64
  static let none = Handle(rawValue: 0)
}

final class Slab<Object: AnyObject> {
  struct Slot {
    /// What is out for this place, or will be next.
    var handle: UInt64
    /// Nil: no handle is out.
    var object: Unmanaged<Object>?
  }

  /// What a lookup needs, at an address that stays.
  struct Index {
    fileprivate(set) var slots: UnsafeMutablePointer<Slot>
    /// Of slots, a power of two, less one.
    fileprivate(set) var mask: UInt64
    /// Whose slab it is, for those who have nothing but this address.
    var owner: UnsafeMutableRawPointer?

    @inline(__always)
    func find(_ handle: UInt64) -> Unmanaged<Object>? {
      let slot = slots + Int(truncatingIfNeeded: handle & mask)
      return slot.pointee.handle == handle ? slot.pointee.object : nil
    }
  }

  /// What lookups do not need.
  private struct Place {
    var nextFree: Int32 = -1
    /// The object was inserted; otherwise it was lent.
    var isHeld = false
  }

  let index: UnsafeMutablePointer<Index>
  private var places: [Place] = []
  private var freeHead: Int32 = -1
  /// The first handle of place 0.
  private let first: UInt64
  /// Objects that handles are out for.
  private(set) var count = 0
  private static var placeBits: UInt64 { 0x3fff_ffff }
  private static var generationBits: UInt64 { 0xff_ffff << 32 }

  /// `worker` is 0..<255. `kind` (0..<4) tells the slabs of a worker apart: a handle of one is never
  /// one of another.
  init(worker: Int, kind: Int = 0) {
    first = UInt64(worker + 1) << 56 | 1 << 32 | UInt64(kind) << 30
    index = .allocate(capacity: 1)
    index.initialize(to: Index(slots: .allocate(capacity: 16), mask: 15))
    for place in 0..<16 { initialize(place) }
  }

  private func initialize(_ place: Int) {
    (index.pointee.slots + place).initialize(to: Slot(handle: first | UInt64(place), object: nil))
  }

  deinit {
    for place in places.indices where places[place].isHeld { index.pointee.slots[place].object?.release() }
    index.pointee.slots.deallocate()
    index.deallocate()
  }

  func insert(_ object: Object) -> Handle {
    let place = reserve()
    places[place].isHeld = true
    return put(Unmanaged.passRetained(object), at: place)
  }

  @inline(__always)
  subscript(_ handle: Handle) -> Object? { index.pointee.find(handle.rawValue)?.takeUnretainedValue() }

  func remove(_ handle: Handle) {
    guard let object = index.pointee.find(handle.rawValue) else { return }
    let place = Int(handle.rawValue & Self.placeBits)
    withdraw(place)
    places[place].isHeld = false
    free(place)
    object.release()
  }

  // MARK: Places of objects that are used again

  /// A place for one object after the other, or for one that is used again and again. No handle is out.
  func reserve() -> Int {
    if freeHead >= 0 {
      let place = Int(freeHead)
      freeHead = places[place].nextFree
      return place
    }
    if places.count > index.pointee.mask { grow() }
    places.append(Place())
    return places.count - 1
  }

  /// The handle of what a reserved place holds from now on: not retained, it must be withdrawn before
  /// it goes.
  @inline(__always)
  func lend(_ object: Object, at place: Int) -> Handle { put(Unmanaged.passUnretained(object), at: place) }

  /// The handle that was lent at this place finds nothing any more.
  @inline(__always)
  func withdraw(_ place: Int) {
    let slot = index.pointee.slots + place
    slot.pointee.object = nil
    var generation = (slot.pointee.handle &+ 1 << 32) & Self.generationBits
    if generation == 0 { generation = 1 << 32 }
    slot.pointee.handle = slot.pointee.handle & ~Self.generationBits | generation
    count &-= 1
  }

  /// Gives a reserved place back. No handle may be out.
  func free(_ place: Int) {
    places[place].nextFree = freeHead
    freeHead = Int32(place)
  }

  @inline(__always)
  private func put(_ object: Unmanaged<Object>, at place: Int) -> Handle {
    count &+= 1
    let slot = index.pointee.slots + place
    slot.pointee.object = object
    return Handle(rawValue: slot.pointee.handle)
  }

  private func grow() {
    let capacity = Int(index.pointee.mask) + 1
    let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: index.pointee.slots, count: capacity)
    index.pointee.slots.deallocate()
    index.pointee.slots = larger
    index.pointee.mask = UInt64(capacity * 2 - 1)
    for place in capacity..<(capacity * 2) { initialize(place) }
  }

  /// A copy: the slab may change while it is walked.
  var all: [Object] {
    places.indices.compactMap { index.pointee.slots[$0].object?.takeUnretainedValue() }
  }
}
