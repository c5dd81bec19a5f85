// The outbound queue against an array of bytes, and that every chunk goes back to its pool.
import Testing

@testable import DataPlane

@Suite struct OutboundQueueTests {
  private func slice(_ data: [UInt8], _ pool: ChunkPool, offset: Int) -> Slice {
    let chunk = pool.chunk(atLeast: data.count + offset)
    (chunk.bytes + offset).update(from: data, count: data.count)
    return Slice(chunk: chunk, offset: offset, count: data.count)
  }

  private func data(_ count: Int, _ random: inout SeededRandom) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  @Test(arguments: 1...4)
  func againstAModel(_ seed: UInt64) {
    let pool = ChunkPool()
    do {
      var random = SeededRandom(seed)
      let queue = OutboundQueue(pool: pool)
      let other = OutboundQueue(pool: pool)
      var model: [UInt8] = []
      for _ in 0..<1000 {
        switch Int.random(in: 0..<12, using: &random) {
        case 0...2:
          let bytes = data(Int.random(in: 0...300, using: &random), &random)
          queue.append(copying: bytes, count: bytes.count)
          model += bytes
        case 3, 4:
          let bytes = data(Int.random(in: 0...2000, using: &random), &random)
          queue.append(slice(bytes, pool, offset: Int.random(in: 0...50, using: &random)))
          model += bytes
        case 5:
          // Reserved more than is committed, nothing included.
          let bytes = data(Int.random(in: 0...40, using: &random), &random)
          let space = queue.reserve(bytes.count + Int.random(in: 0...20_000, using: &random))
          space.update(from: bytes, count: bytes.count)
          queue.commit(bytes.count)
          model += bytes
        case 6...8:
          let count = Int.random(in: 0...Swift.min(queue.byteCount, 5000), using: &random)
          queue.written(count)
          model.removeFirst(count)
        case 9:
          guard let slice = queue.popSlice() else {
            #expect(model.isEmpty)
            break
          }
          #expect(slice.count > 0)
          #expect(slice.contents == Array(model.prefix(slice.count)))
          model.removeFirst(slice.count)
          slice.release()
        case 10:
          let bytes = data(100, &random)
          other.append(copying: bytes, count: 40)
          other.append(slice(Array(bytes[40...]), pool, offset: 0))
          queue.append(contentsOf: other)
          #expect(other.isEmpty)
          model += bytes
        default:
          if Int.random(in: 0..<60, using: &random) == 0 {
            queue.removeAll()
            model = []
          }
        }
        let seen = queue.contents
        guard queue.byteCount == model.count, queue.isEmpty == model.isEmpty,
          seen.elementsEqual(model.prefix(seen.count))
        else {
          Issue.record("differs from the model")
          return
        }
      }
      while let slice = queue.popSlice() {
        #expect(slice.contents == Array(model.prefix(slice.count)))
        model.removeFirst(slice.count)
        slice.release()
      }
      #expect(model.isEmpty && queue.isEmpty)
    }
    #expect(pool.outstanding == 0)
  }

  @Test func smallThingsShareAChunk() {
    let pool = ChunkPool()
    let queue = OutboundQueue(pool: pool)
    for _ in 0..<100 { queue.append("text") }
    #expect(queue.sliceCount == 1)
    #expect(pool.outstanding == 1)
    queue.written(400)
    #expect(pool.outstanding == 0)
  }

  @Test func whatIsAppendedBehindASliceIsBehindIt() {
    let pool = ChunkPool()
    let queue = OutboundQueue(pool: pool)
    queue.append("head ")
    queue.append(slice(bytes("body "), pool, offset: 3))
    queue.append("tail")
    #expect(text(queue.contents) == "head body tail")
    queue.removeAll()
    #expect(pool.outstanding == 0 && queue.isEmpty)
  }

  @Test func moreSlicesThanOneCallTakes() {
    let pool = ChunkPool()
    let queue = OutboundQueue(pool: pool)
    for _ in 0..<200 { queue.append(slice([1, 2, 3], pool, offset: 0)) }
    #expect(queue.sliceCount == 200)
    #expect(queue.contents.count == OutboundQueue.maxVectors * 3)
    queue.written(64 * 3 + 1)
    #expect(queue.sliceCount == 136)
    #expect(queue.first.count == 2 && queue.first.bytes[0] == 2)
  }

  @Test func aReservationOfAnySize() {
    let pool = ChunkPool()
    let queue = OutboundQueue(pool: pool)
    let large = [UInt8](repeating: 7, count: 200_000)
    queue.append("a")
    queue.append(copying: large, count: large.count)
    #expect(queue.byteCount == 200_001)
    #expect(queue.contents == [0x61] + large)
    queue.written(200_001)
    #expect(pool.outstanding == 0)
  }
}
