// Counts over a range of numbers of which few occur: response codes, the bins of a histogram. A
// table of pages of a hundred words; a page is made when something in it is first counted, so that
// ten thousand clusters cost what they use, and nothing is allocated once traffic has settled.
//
// Threading: as `Counters`: one writer (the worker), any readers, relaxed words. A page's address is
// published with release order, so that a reader sees its zeroes. Pages are never freed.
import Synchronization

struct PagedCounts: @unchecked Sendable {
  static let pageWords = 100

  /// The addresses of the pages, and behind them the mark that something was counted.
  typealias Table = UnsafeMutablePointer<Atomic<UInt>>
  private let table: Table
  let pages: Int

  /// Words of a table, for the registry, which makes them side by side.
  static func tableWords(pages: Int) -> Int { pages + 1 }

  init(table: Table, pages: Int) {
    self.table = table
    self.pages = pages
  }

  /// Tables for `count` of these, zeroed.
  static func tables(count: Int, pages: Int) -> Table {
    let words = StatBlock(count: count * tableWords(pages: pages)).words
    return UnsafeMutableRawPointer(words).assumingMemoryBound(to: Atomic<UInt>.self)
  }

  @inline(__always)
  func add(page: Int, _ index: Int) {
    var address = table[page].load(ordering: .relaxed)
    if address == 0 { address = makePage(page) }
    let word = UnsafeMutablePointer<Atomic<UInt64>>(bitPattern: address).unsafelyUnwrapped + index
    word.pointee.store(word.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    table[pages].store(1, ordering: .relaxed)
  }

  @inline(never)
  private func makePage(_ page: Int) -> UInt {
    let address = UInt(bitPattern: StatBlock(count: PagedCounts.pageWords).words)
    table[page].store(address, ordering: .releasing)
    return address
  }

  // MARK: The reader

  /// True once anything was counted since the last call.
  func takeMark() -> Bool {
    guard table[pages].load(ordering: .relaxed) != 0 else { return false }
    table[pages].store(0, ordering: .relaxed)
    return true
  }

  /// Calls `body` for every count that is not zero, in order.
  func forEach(_ body: (_ page: Int, _ index: Int, _ count: UInt64) -> Void) {
    for page in 0..<pages {
      let address = table[page].load(ordering: .acquiring)
      guard let words = UnsafeMutablePointer<Atomic<UInt64>>(bitPattern: address) else { continue }
      for index in 0..<PagedCounts.pageWords {
        let count = words[index].load(ordering: .relaxed)
        if count != 0 { body(page, index, count) }
      }
    }
  }
}
