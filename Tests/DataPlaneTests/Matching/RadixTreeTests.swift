// The radix tree by itself: what a walk meets, and in which order.
import Testing

@testable import DataPlane

@Suite struct RadixTreeTests {
  private func tree(_ entries: [(String, RadixTree.Kind)], folds: Bool = false) -> RadixTree {
    var builder = RadixTree.Builder(folds: folds)
    for (index, entry) in entries.enumerated() { builder.insert(bytes(entry.0), entry.1, Int32(index)) }
    return RadixTree(builder)
  }

  private func met(_ tree: RadixTree, _ text: String) -> [Int32] {
    var all: [Int32] = []
    withView(text) {
      tree.forEachMatch($0) {
        all.append($0)
        return true
      }
    }
    return all
  }

  @Test func kinds() {
    let tree = tree([
      ("/a", .prefix), ("/a", .exact), ("/a", .separated), ("/ab", .exact), ("/", .prefix), ("", .prefix),
      ("/a", .prefix), ("/abc/d", .separated),
    ])
    #expect(met(tree, "/a") == [5, 4, 0, 6, 1, 2])
    #expect(met(tree, "/ab") == [5, 4, 0, 6, 3])
    #expect(met(tree, "/a/") == [5, 4, 0, 6, 2])
    #expect(met(tree, "/abc/d/e") == [5, 4, 0, 6, 7])
    #expect(met(tree, "/abc/de") == [5, 4, 0, 6])
    #expect(met(tree, "") == [5])
    #expect(met(tree, "x") == [5])
  }

  @Test func onlyTheFirstOfAListIsSeenWhereOneIsEnough() {
    let tree = tree([("/", .prefix), ("/", .prefix), ("/a", .prefix), ("/a", .prefix)])
    var all: [Int32] = []
    withView("/a") {
      tree.forEachMatch($0) {
        all.append($0)
        return false
      }
    }
    #expect(all == [0, 2])
  }

  @Test func withoutCase() {
    let tree = tree([("/Ab", .prefix), ("/aB/C", .exact)], folds: true)
    #expect(met(tree, "/AB/c") == [0, 1])
    #expect(met(tree, "/b") == [])
  }

  @Test func fromTheEnd() {
    let tree = tree([("moc.a", .prefix), ("moc.", .prefix), ("moc", .exact)], folds: true)
    func find(_ text: String) -> [Int32?] {
      withView(text) {
        let found = tree.find($0, reversed: true)
        return [found.exact, found.prefix]
      }
    }
    #expect(find("x.A.com") == [nil, 0])
    #expect(find("xa.com") == [nil, 0])
    #expect(find("a.com") == [nil, 1])
    #expect(find("com") == [2, nil])
    #expect(find(".com") == [nil, nil])
    #expect(find("org") == [nil, nil])
  }
}
