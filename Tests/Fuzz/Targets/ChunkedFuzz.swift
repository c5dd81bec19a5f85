// The chunked coding: the same body however the bytes come, and the same again when it is written as
// chunks of our own.
@testable import DataPlane

enum ChunkedFuzz {
  private struct Reading: Equatable {
    enum End { case open, trailers, failed }
    var body: [UInt8] = []
    var end = End.open
    var length = 0
  }

  static func run(_ input: [UInt8]) {
    let whole = decode(input, [])
    expect(decode(input, cuts(input, 1)) == whole, "one cut makes a difference")
    expect(decode(input, cuts(input, 5)) == whole, "cuts make a difference")
    if input.count <= 1024 {
      expect(decode(input, Array(1..<max(input.count, 1))) == whole, "single bytes make a difference")
    }
    expect(whole.body.count <= whole.length && whole.length <= input.count, "more than there was")
    let written = encode(whole.body, cuts(input, 3))
    let again = decode(written, cuts(written, 3))
    expect(again.body == whole.body && again.end == .trailers, "what was written is not read")
  }

  private static func decode(_ input: [UInt8], _ cuts: [Int]) -> Reading {
    var decoder = ChunkedDecoder()
    var reading = Reading()
    for end in cuts + [input.count] {
      while reading.length < end, reading.end == .open {
        withExactCopy(input[reading.length..<end]) { base, count in
          var consumed = 0
          switch decoder.next(base, count, consumed: &consumed) {
          case .needMore: expect(consumed == count, "needs more and leaves some")
          case .data(let offset, let length):
            expect(offset >= 0 && length > 0 && offset + length <= consumed, "data out of its bounds")
            reading.body += UnsafeBufferPointer(start: base + offset, count: length)
          case .trailers: reading.end = .trailers
          case .failed: reading.end = .failed
          }
          expect(consumed > 0 && consumed <= count, "consumed \(consumed) of \(count)")
          reading.length += consumed
        }
      }
    }
    return reading
  }

  private static func encode(_ body: [UInt8], _ cuts: [Int]) -> [UInt8] {
    let pool = ChunkPool()
    let queue = OutboundQueue(pool: pool)
    var start = 0
    for end in cuts.filter({ $0 < body.count }) + [body.count] where end > start {
      HTTP1Encoder.chunkStart(end - start, to: queue)
      body.withUnsafeBufferPointer {
        queue.append(copying: $0.baseAddress.unsafelyUnwrapped + start, count: end - start)
      }
      HTTP1Encoder.chunkEnd(to: queue)
      start = end
    }
    HTTP1Encoder.lastChunk(trailers: nil, to: queue)
    var out: [UInt8] = []
    while let slice = queue.popSlice() {
      out += UnsafeBufferPointer(start: slice.bytes, count: slice.count)
      slice.release()
    }
    return out
  }
}
