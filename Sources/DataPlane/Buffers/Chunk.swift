// The memory that bytes from sockets live in. A chunk is a block of memory with a count of the
// slices that point into it; a worker's pool hands chunks out and takes them back.
//
//     ChunkHeader | capacity bytes ......................................|
//                   ^ a head parsed in place   ^ a body slice    ^ free
//
// Why not a Swift class: a chunk is retained and released a few times a request, always on one
// thread. An atomic count costs 5 ns each time, a plain one nothing that can be measured. The
// price is that releases are written by hand; they are all in the Buffers room and the few owners
// of a `Slice`, and `ChunkPool.outstanding` is checked to be zero at the end of every test.
//
// Threading: a chunk belongs to the worker whose pool made it and never leaves that thread.

/// What stands before the bytes of a chunk.
struct ChunkHeader {
  /// Who gets the memory back. Unretained: a pool outlives its chunks (the worker frees it last).
  let pool: Unmanaged<ChunkPool>
  /// Bytes behind the header.
  let capacity: Int
  /// Slices and buffers that point here; 0 only inside the pool.
  var references: Int
  /// The next free chunk of the same size class, inside the pool only.
  var nextFree: UnsafeMutablePointer<ChunkHeader>?
}

/// A counted pointer to a chunk. Copying it copies no reference: call `retain`.
struct Chunk: Equatable {
  let header: UnsafeMutablePointer<ChunkHeader>

  /// Rounded up so that the bytes start on a cache line.
  static let headerSize = (MemoryLayout<ChunkHeader>.size + 63) & ~63

  @inline(__always) var bytes: UnsafeMutablePointer<UInt8> {
    UnsafeMutableRawPointer(header).advanced(by: Chunk.headerSize)
      .assumingMemoryBound(to: UInt8.self)
  }
  @inline(__always) var capacity: Int { header.pointee.capacity }
  /// True when the caller's reference is the only one: the memory may be moved or written over.
  @inline(__always) var isUnique: Bool { header.pointee.references == 1 }

  @inline(__always) func retain() { header.pointee.references &+= 1 }

  @inline(__always) func release() {
    header.pointee.references &-= 1
    if header.pointee.references == 0 { recycle() }
  }

  @inline(never) private func recycle() {
    header.pointee.pool._withUnsafeGuaranteedRef { $0.recycle(self) }
  }
}

/// Bytes inside a chunk. Owns one reference, given up by `release` or by handing it on.
struct Slice {
  var chunk: Chunk
  var offset: Int
  var count: Int

  @inline(__always) var bytes: UnsafeMutablePointer<UInt8> { chunk.bytes + offset }
  @inline(__always) func release() { chunk.release() }
}
