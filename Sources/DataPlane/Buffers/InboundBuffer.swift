// What has been read from a socket and not yet consumed: one contiguous region of one chunk, so
// that a parser never sees a seam. An empty buffer owns no chunk.

struct InboundBuffer {
  private(set) var chunk: Chunk?
  private var start = 0
  private var end = 0

  /// Unread bytes.
  @inline(__always) var count: Int { end &- start }
  @inline(__always) var isEmpty: Bool { end == start }

  /// The first unread byte. Only while `count > 0`; dies with the next mutation.
  @inline(__always) var bytes: UnsafeMutablePointer<UInt8> { chunk.unsafelyUnwrapped.bytes + start }

  /// Space behind the unread bytes; 0 without a chunk.
  @inline(__always) var tailSpace: Int {
    guard let chunk else { return 0 }
    return chunk.capacity &- end
  }
  @inline(__always) var tail: UnsafeMutablePointer<UInt8> { chunk.unsafelyUnwrapped.bytes + end }

  /// Makes room for the next read: a fresh chunk where there is none, otherwise at least
  /// `minimum` bytes behind what is unread, moving it if it must.
  @inline(__always)
  mutating func prepare(minimum: Int, large: Bool, pool: ChunkPool) {
    guard let chunk else {
      self.chunk = large ? pool.large() : pool.small()
      start = 0
      end = 0
      return
    }
    if chunk.capacity &- end >= minimum { return }
    makeRoom(minimum: minimum, pool: pool)
  }

  @inline(never)
  private mutating func makeRoom(minimum: Int, pool: ChunkPool) {
    let chunk = chunk.unsafelyUnwrapped
    let unread = count
    if chunk.isUnique, unread + minimum <= chunk.capacity {
      (chunk.bytes).update(from: chunk.bytes + start, count: unread)
    } else {
      // Doubled, so that what is kept long is not copied for every read.
      let wanted = Swift.max(unread + minimum, unread * 2, ChunkPool.smallCapacity)
      let fresh = pool.chunk(atLeast: wanted)
      fresh.bytes.update(from: chunk.bytes + start, count: unread)
      chunk.release()
      self.chunk = fresh
    }
    start = 0
    end = unread
  }

  /// `count` bytes were read into `tail`.
  @inline(__always) mutating func received(_ count: Int) { end &+= count }

  /// The first `count` bytes are done with.
  @inline(__always)
  mutating func consume(_ count: Int) {
    start &+= count
    if start == end { releaseChunk() }
  }

  /// Moves the first `count` bytes out without copying them. The caller owns the slice.
  @inline(__always)
  mutating func take(_ count: Int) -> Slice {
    let chunk = chunk.unsafelyUnwrapped
    let slice = Slice(chunk: chunk, offset: start, count: count)
    chunk.retain()
    consume(count)
    return slice
  }

  /// A reference to the chunk under the unread bytes, for a head that was parsed in place.
  @inline(__always)
  func retainChunk() -> Chunk {
    let chunk = chunk.unsafelyUnwrapped
    chunk.retain()
    return chunk
  }

  /// These bytes in place of the unread ones. They may lie in this buffer.
  mutating func replaceAll(with bytes: ByteView, pool: ChunkPool) {
    let old = chunk
    chunk = nil
    start = 0
    end = 0
    if bytes.count > 0 {
      let fresh = pool.chunk(atLeast: bytes.count)
      fresh.bytes.update(from: bytes.base, count: bytes.count)
      chunk = fresh
      end = bytes.count
    }
    if let old { old.release() }
  }

  @inline(__always)
  mutating func releaseChunk() {
    if let chunk { chunk.release() }
    chunk = nil
    start = 0
    end = 0
  }
}
