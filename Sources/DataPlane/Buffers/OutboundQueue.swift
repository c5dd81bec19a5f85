// Bytes on their way to a socket: a queue of slices, written with one gathering call. Small
// things (heads, chunk framing) are copied into a chunk of the queue's own; bodies go by slice.

final class OutboundQueue {
  private let pool: ChunkPool
  private var ring: UnsafeMutablePointer<Slice>
  private var capacity: Int
  private var head = 0
  private var length = 0
  /// The chunk of the last slice when that slice is the queue's own and may be appended to:
  /// nobody else points behind `tailEnd`.
  private var tailChunk: Chunk?
  private var tailEnd = 0
  /// Bytes queued.
  private(set) var byteCount = 0

  /// Most vectors handed to one system call. A body of 1 MiB in 64 KiB chunks with framing is 48.
  static let maxVectors = 64

  init(pool: ChunkPool) {
    self.pool = pool
    capacity = 4
    ring = .allocate(capacity: capacity)
  }

  deinit {
    removeAll()
    ring.deallocate()
  }

  @inline(__always) var isEmpty: Bool { byteCount == 0 }

  /// Memory for `count` contiguous bytes at the end of the queue; `commit` says how many were used.
  @inline(__always)
  func reserve(_ count: Int) -> UnsafeMutablePointer<UInt8> {
    if let chunk = tailChunk, chunk.capacity &- tailEnd >= count { return chunk.bytes + tailEnd }
    return reserveFresh(count)
  }

  @inline(never)
  private func reserveFresh(_ count: Int) -> UnsafeMutablePointer<UInt8> {
    let chunk = pool.chunk(atLeast: count)
    push(Slice(chunk: chunk, offset: 0, count: 0))
    tailChunk = chunk
    tailEnd = 0
    return chunk.bytes
  }

  @inline(__always)
  func commit(_ count: Int) {
    ring[(head &+ length &- 1) & (capacity &- 1)].count &+= count
    tailEnd &+= count
    byteCount &+= count
  }

  @inline(__always)
  func append(copying bytes: UnsafePointer<UInt8>, count: Int) {
    if count == 0 { return }
    reserve(count).update(from: bytes, count: count)
    commit(count)
  }

  func append(_ text: StaticString) { append(copying: text.utf8Start, count: text.utf8CodeUnitCount) }

  /// Bodies up to here are copied behind what is queued: one contiguous write is cheaper than a
  /// gathering one by more than the copy costs.
  private static let copyLimit = 1024

  /// Takes over the slice's reference.
  @inline(__always)
  func append(_ slice: Slice) {
    if slice.count <= OutboundQueue.copyLimit,
      slice.count == 0 || (tailChunk.map { $0.capacity &- tailEnd >= slice.count } ?? false)
    {
      append(copying: slice.bytes, count: slice.count)
      slice.release()
      return
    }
    push(slice)
    tailChunk = nil
    byteCount &+= slice.count
  }

  /// Moves everything from another queue to the end of this one.
  func append(contentsOf other: OutboundQueue) {
    while let slice = other.popSlice() { append(slice) }
  }

  /// Moves the first `count` bytes of another queue, which has them, to the end of this one.
  func take(_ count: Int, of other: OutboundQueue) {
    var left = count
    while left > 0, other.length > 0 {
      let slice = other.ring[other.head]
      if slice.count <= left {
        left &-= slice.count
        if let moved = other.popSlice() { append(moved) }
      } else {
        slice.chunk.retain()
        append(Slice(chunk: slice.chunk, offset: slice.offset, count: left))
        other.written(left)
        return
      }
    }
  }

  /// The first slice, its reference going to the caller. Nil when empty.
  func popSlice() -> Slice? {
    while length > 0 {
      let slice = ring[head]
      dropFirst()
      byteCount &-= slice.count
      if slice.count > 0 { return slice }
      slice.release()
    }
    return nil
  }

  @inline(__always)
  private func dropFirst() {
    head = (head &+ 1) & (capacity &- 1)
    length &-= 1
    if length == 0 {
      head = 0
      tailChunk = nil
    }
  }

  /// Calls `body` with each slice's bytes, at most `maxVectors`, without removing anything.
  @inline(__always)
  func forEachVector(_ body: (UnsafeMutablePointer<UInt8>, Int) -> Void) {
    var index = 0
    while index < length, index < OutboundQueue.maxVectors {
      let slot = ring + ((head &+ index) & (capacity &- 1))
      body(slot.pointee.bytes, slot.pointee.count)
      index &+= 1
    }
  }

  /// Slices queued; more than `maxVectors` need more than one call.
  var sliceCount: Int { length }

  /// Calls `body` with each slice, without removing anything or giving a reference.
  func forEachSlice(_ body: (Slice) -> Void) {
    for index in 0..<length {
      let slice = ring[(head &+ index) & (capacity &- 1)]
      if slice.count > 0 { body(slice) }
    }
  }

  /// The bytes of the slice at `index`; nil behind the last.
  func piece(_ index: Int) -> (bytes: UnsafeMutablePointer<UInt8>, count: Int)? {
    guard index < length else { return nil }
    let slice = ring + ((head &+ index) & (capacity &- 1))
    return (slice.pointee.bytes, slice.pointee.count)
  }

  /// The first slice's bytes. Only while not empty.
  @inline(__always) var first: (bytes: UnsafeMutablePointer<UInt8>, count: Int) {
    (ring[head].bytes, ring[head].count)
  }

  /// The first `count` bytes were written.
  func written(_ count: Int) {
    byteCount &-= count
    var left = count
    while length > 0 {
      let slice = ring[head]
      if left < slice.count || (left == 0 && slice.count > 0) {
        ring[head].offset &+= left
        ring[head].count &-= left
        return
      }
      left &-= slice.count
      dropFirst()
      slice.release()
    }
  }

  func removeAll() {
    while length > 0 {
      let slice = ring[head]
      dropFirst()
      slice.release()
    }
    byteCount = 0
    tailChunk = nil
  }

  private func push(_ slice: Slice) {
    if length == capacity { grow() }
    (ring + ((head &+ length) & (capacity &- 1))).initialize(to: slice)
    length &+= 1
  }

  private func grow() {
    let larger = UnsafeMutablePointer<Slice>.allocate(capacity: capacity * 2)
    for index in 0..<length {
      (larger + index).initialize(to: ring[(head &+ index) & (capacity &- 1)])
    }
    ring.deallocate()
    ring = larger
    capacity *= 2
    head = 0
  }
}
