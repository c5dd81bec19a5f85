// Bytes for the tests: borrowing an array as a `ByteView`, and numbers that are random but the same
// in every run, so that a failure can be had again.
@testable import DataPlane

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }

/// Lends `bytes` from memory of exactly their size: a sanitizer sees every read behind them.
func withView<Result>(_ bytes: [UInt8], _ body: (ByteView) -> Result) -> Result {
  let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
  copy.update(from: bytes, count: bytes.count)
  defer { copy.deallocate() }
  return body(ByteView(copy, bytes.count))
}

func withView<Result>(_ text: String, _ body: (ByteView) -> Result) -> Result {
  withView(bytes(text), body)
}

/// SplitMix64 (Steele, Lea and Flood, 2014), seeded by the test.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

extension Slice {
  var contents: [UInt8] { Array(UnsafeBufferPointer(start: bytes, count: count)) }
}

extension OutboundQueue {
  /// Everything queued, as one array; nothing is removed. For queues of at most `maxVectors` slices.
  var contents: [UInt8] {
    var all: [UInt8] = []
    forEachVector { bytes, count in all += UnsafeBufferPointer(start: bytes, count: count) }
    return all
  }
}
