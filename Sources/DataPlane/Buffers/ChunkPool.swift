// A worker's stock of chunks, in two size classes. Small chunks hold heads and short messages;
// large ones are for connections that move data in bulk, where fewer and larger system calls
// count. Any other size is made for the occasion and freed after it.

final class ChunkPool {
  /// Small: a request or response head with room to spare; HAProxy and nginx read 16 KiB too.
  static let smallCapacity = 16 * 1024 - Chunk.headerSize
  /// Large: what one read of a fast connection brings. Above 64 KiB nothing was gained in the
  /// 1 MiB GET row, while the L2 cache holds 64 KiB of several connections.
  static let largeCapacity = 64 * 1024 - Chunk.headerSize
  /// Free chunks kept for later: 256 small (4 MiB) and 32 large (2 MiB) a worker. Beyond a burst
  /// the memory goes back to malloc.
  private static let smallKept = 256
  private static let largeKept = 32

  private var smallFree: UnsafeMutablePointer<ChunkHeader>?
  private var smallFreeCount = 0
  private var largeFree: UnsafeMutablePointer<ChunkHeader>?
  private var largeFreeCount = 0
  /// Chunks handed out and not yet back.
  private(set) var outstanding = 0

  func small() -> Chunk {
    outstanding &+= 1
    if let header = smallFree {
      smallFree = header.pointee.nextFree
      smallFreeCount &-= 1
      header.pointee.nextFree = nil
      header.pointee.references = 1
      return Chunk(header: header)
    }
    return allocate(ChunkPool.smallCapacity)
  }

  func large() -> Chunk {
    outstanding &+= 1
    if let header = largeFree {
      largeFree = header.pointee.nextFree
      largeFreeCount &-= 1
      header.pointee.nextFree = nil
      header.pointee.references = 1
      return Chunk(header: header)
    }
    return allocate(ChunkPool.largeCapacity)
  }

  /// A chunk of at least `capacity` bytes.
  func chunk(atLeast capacity: Int) -> Chunk {
    if capacity <= ChunkPool.smallCapacity { return small() }
    if capacity <= ChunkPool.largeCapacity { return large() }
    outstanding &+= 1
    return allocate(capacity)
  }

  private func allocate(_ capacity: Int) -> Chunk {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: Chunk.headerSize + capacity, alignment: 64)
    let header = memory.bindMemory(to: ChunkHeader.self, capacity: 1)
    header.initialize(
      to: ChunkHeader(
        pool: .passUnretained(self), capacity: capacity, references: 1, nextFree: nil))
    return Chunk(header: header)
  }

  /// The last reference is gone. Under MARTLET_UNPOOLED (the sanitizer builds) memory is freed at
  /// once, so that a use after the end is seen.
  func recycle(_ chunk: Chunk) {
    outstanding &-= 1
    #if !MARTLET_UNPOOLED
      if chunk.capacity == ChunkPool.smallCapacity, smallFreeCount < ChunkPool.smallKept {
        chunk.header.pointee.nextFree = smallFree
        smallFree = chunk.header
        smallFreeCount &+= 1
        return
      }
      if chunk.capacity == ChunkPool.largeCapacity, largeFreeCount < ChunkPool.largeKept {
        chunk.header.pointee.nextFree = largeFree
        largeFree = chunk.header
        largeFreeCount &+= 1
        return
      }
    #endif
    UnsafeMutableRawPointer(chunk.header).deallocate()
  }

  deinit {
    for list in [smallFree, largeFree] {
      var next = list
      while let header = next {
        next = header.pointee.nextFree
        UnsafeMutableRawPointer(header).deallocate()
      }
    }
  }
}
