// The inbound buffer against an array of bytes, with slices taken out of it that must keep theirs.
import Testing

@testable import DataPlane

@Suite struct InboundBufferTests {
  @Test(arguments: 1...4)
  func againstAModel(_ seed: UInt64) {
    let pool = ChunkPool()
    var random = SeededRandom(seed)
    var buffer = InboundBuffer()
    var model: [UInt8] = []
    var taken: [(slice: Slice, bytes: [UInt8])] = []
    var held: [Chunk] = []
    for _ in 0..<1000 {
      switch Int.random(in: 0..<10, using: &random) {
      case 0...3 where model.count < 100_000:
        let minimum = Int.random(in: 1...3000, using: &random)
        buffer.prepare(minimum: minimum, large: Bool.random(using: &random), pool: pool)
        #expect(buffer.tailSpace >= minimum)
        let count = Int.random(in: 1...minimum, using: &random)
        for index in 0..<count {
          let byte = UInt8.random(in: 0...255, using: &random)
          buffer.tail[index] = byte
          model.append(byte)
        }
        buffer.received(count)
      case 4 where !model.isEmpty, 5 where !model.isEmpty:
        let count = Int.random(in: 1...model.count, using: &random)
        buffer.consume(count)
        model.removeFirst(count)
      case 6 where !model.isEmpty, 7 where !model.isEmpty:
        let count = Int.random(in: 1...model.count, using: &random)
        taken.append((buffer.take(count), Array(model.prefix(count))))
        model.removeFirst(count)
      case 8 where !model.isEmpty:
        held.append(buffer.retainChunk())
      default:
        if !taken.isEmpty {
          let (slice, bytes) = taken.remove(at: Int.random(in: 0..<taken.count, using: &random))
          #expect(slice.contents == bytes)
          slice.release()
        }
        if !held.isEmpty { held.removeLast().release() }
      }
      guard buffer.count == model.count, buffer.isEmpty == (buffer.chunk == nil),
        model.isEmpty || model.elementsEqual(UnsafeBufferPointer(start: buffer.bytes, count: buffer.count))
      else {
        Issue.record("differs from the model")
        return
      }
    }
    for (slice, bytes) in taken {
      #expect(slice.contents == bytes)
      slice.release()
    }
    for chunk in held { chunk.release() }
    buffer.releaseChunk()
    #expect(pool.outstanding == 0)
  }

  @Test func anEmptyBufferOwnsNoChunk() {
    let pool = ChunkPool()
    var buffer = InboundBuffer()
    #expect(buffer.tailSpace == 0 && buffer.isEmpty)
    buffer.prepare(minimum: 10, large: false, pool: pool)
    #expect(pool.outstanding == 1)
    buffer.received(4)
    buffer.consume(4)
    #expect(pool.outstanding == 0 && buffer.chunk == nil)
  }

  @Test func poolsKeepChunksAndGiveThemAgain() {
    let pool = ChunkPool()
    let first = pool.small()
    let header = first.header
    first.release()
    let second = pool.small()
    #expect(second.header == header && second.isUnique)
    second.retain()
    #expect(!second.isUnique)
    second.release()
    second.release()
    let sizes = [1, ChunkPool.smallCapacity, ChunkPool.smallCapacity + 1, ChunkPool.largeCapacity + 1]
    let chunks = sizes.map { pool.chunk(atLeast: $0) }
    #expect(
      chunks.map(\.capacity) == [
        ChunkPool.smallCapacity, ChunkPool.smallCapacity, ChunkPool.largeCapacity,
        ChunkPool.largeCapacity + 1,
      ])
    #expect(pool.outstanding == 4)
    for chunk in chunks { chunk.release() }
    #expect(pool.outstanding == 0)
  }
}
