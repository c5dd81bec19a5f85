// Counters and gauges. A worker adds to its own block without a lock or a locked instruction;
// the control side sums the blocks when somebody asks.
//
// A block is one array of 64-bit words for one scope (a listener, a cluster, ...). What each word
// means is an enum with a case a statistic, so that a hot path writes `counters.add(.requestTotal)`
// and pays one addition to memory.
//
// Threading: one writer (the worker), any readers. The words are relaxed atomics: a plain load,
// add and store for the writer, and no torn value or data race for the reader. A gauge goes up on
// one worker and down on the same one; the sum over workers is exact because it wraps.
import Synchronization

/// The statistics of one kind of scope.
protocol StatSchema: RawRepresentable, CaseIterable where RawValue == Int, AllCases: RandomAccessCollection {
  /// The name behind the scope's prefix, as Envoy has it.
  var name: String { get }
  var kind: StatValue.Kind { get }
}

/// One worker's words for one scope. A value; the memory belongs to the `StatRegistry`, which
/// frees it only where it is told to (`release`).
struct Counters<Schema: StatSchema>: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Atomic<UInt64>>

  init(_ block: StatBlock) { words = block.words }

  @inline(__always)
  func add(_ stat: Schema, _ amount: UInt64 = 1) {
    let word = words + stat.rawValue
    word.pointee.store(word.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  @inline(__always)
  func subtract(_ stat: Schema, _ amount: UInt64 = 1) {
    let word = words + stat.rawValue
    word.pointee.store(word.pointee.load(ordering: .relaxed) &- amount, ordering: .relaxed)
  }

  @inline(__always)
  func set(_ stat: Schema, _ value: UInt64) { words[stat.rawValue].store(value, ordering: .relaxed) }

  @inline(__always)
  subscript(_ stat: Schema) -> UInt64 { words[stat.rawValue].load(ordering: .relaxed) }
}

/// The memory behind `Counters`: zeroed words, on cache lines of their own so that two workers
/// never write to the same line.
struct StatBlock: @unchecked Sendable {
  let words: UnsafeMutablePointer<Atomic<UInt64>>
  let count: Int

  init(count: Int) {
    self.count = count
    let bytes = (count * MemoryLayout<UInt64>.stride + 63) & ~63
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
  }

  func free() { UnsafeMutableRawPointer(words).deallocate() }
}
