// Which of many texts is a text equal to, or begun by? One walk answers, whatever their number.
//
// A compressed radix tree: every node holds the bytes that lead to it from its parent, and lists of
// what was put there. Routes are put under their path, prefix or separated prefix, virtual hosts
// under their domain (the bytes of `*.example.com` from the end). The walk compares each byte of the
// text once.
//
//     "/a" -> [prefix: 7]
//       +-- "pi/" -> [prefix: 0]
//       |     +-- "v1" -> [exact: 2] [separated: 3]
//       +-- "ssets/" -> [prefix: 1]
//
// Why not a hash table for exact texts beside it: the walk has to be made for the prefixes anyway,
// and ends at the exact texts.
//
// Built once from nodes that are easy to change, then laid flat: children of a node lie behind each
// other, and their first bytes in a row of their own that `memchr` looks through.
import CMartletSystem

final class RadixTree {
  enum Kind { case exact, prefix, separated }

  /// A range of `values`.
  struct List {
    var start: Int32 = 0
    var count: Int32 = 0
  }

  private struct Node {
    /// Of `labels`.
    var label: Int32 = 0
    var labelLength: Int32 = 0
    var children: Int32 = 0
    var childCount: Int32 = 0
    var exact = List()
    var prefix = List()
    var separated = List()
  }

  /// Letters of the text compare without case; what was put in is in lower case.
  private let folds: Bool
  private let nodes: UnsafeMutablePointer<Node>
  private let firstBytes: UnsafeMutablePointer<UInt8>
  private let labels: UnsafeMutablePointer<UInt8>
  private let values: UnsafeMutablePointer<Int32>

  deinit {
    nodes.deallocate()
    firstBytes.deallocate()
    labels.deallocate()
    values.deallocate()
  }

  // MARK: Looking up

  /// Calls `body` with the values of every entry that the text meets, shortest entry first; those
  /// of one list ascend. `body` returns false to go on with the next list.
  @inline(__always)
  func forEachMatch(_ text: ByteView, _ body: (_ value: Int32) -> Bool) {
    var node = nodes
    var position = 0
    while true {
      if node.pointee.prefix.count > 0 { visit(node.pointee.prefix, body) }
      if position == text.count {
        if node.pointee.exact.count > 0 { visit(node.pointee.exact, body) }
        if node.pointee.separated.count > 0 { visit(node.pointee.separated, body) }
        return
      }
      if node.pointee.separated.count > 0, text[position] == UInt8(ascii: "/") {
        visit(node.pointee.separated, body)
      }
      guard let next = child(of: node, text, at: position) else { return }
      node = next
      position &+= Int(next.pointee.labelLength)
    }
  }

  /// The value of the exact entry, and that of the longest prefix that is not the whole text. With
  /// `reversed`, the text is read from its end.
  func find(_ text: ByteView, reversed: Bool = false) -> (exact: Int32?, prefix: Int32?) {
    var node = nodes
    var position = 0
    var prefix: Int32?
    while true {
      if position == text.count {
        let exact = node.pointee.exact
        return (exact.count > 0 ? values[Int(exact.start)] : nil, prefix)
      }
      if node.pointee.prefix.count > 0 { prefix = values[Int(node.pointee.prefix.start)] }
      guard let next = child(of: node, text, at: position, reversed: reversed) else { return (nil, prefix) }
      node = next
      position &+= Int(next.pointee.labelLength)
    }
  }

  @inline(__always)
  private func visit(_ list: List, _ body: (_ value: Int32) -> Bool) {
    var index = Int(list.start)
    let end = index &+ Int(list.count)
    while index < end, body(values[index]) { index &+= 1 }
  }

  /// The child whose label is what the text goes on with. There is one at least of the text left.
  @inline(__always)
  private func child(
    of node: UnsafeMutablePointer<Node>, _ text: ByteView, at position: Int, reversed: Bool = false
  ) -> UnsafeMutablePointer<Node>? {
    let count = Int(node.pointee.childCount)
    if count == 0 { return nil }
    let first = firstBytes + Int(node.pointee.children)
    let byte = byte(text, position, reversed)
    guard let found = memchr(first, Int32(byte), count) else { return nil }
    let child = nodes + Int(node.pointee.children) + (UnsafeRawPointer(found) - UnsafeRawPointer(first))
    let length = Int(child.pointee.labelLength)
    if text.count &- position < length { return nil }
    let label = labels + Int(child.pointee.label)
    if !folds, !reversed {
      return bytesEqual(text.base + position, label, length) ? child : nil
    }
    var index = 1
    while index < length {
      if self.byte(text, position &+ index, reversed) != label[index] { return nil }
      index &+= 1
    }
    return child
  }

  @inline(__always)
  private func byte(_ text: ByteView, _ position: Int, _ reversed: Bool) -> UInt8 {
    let byte = text[reversed ? text.count &- 1 &- position : position]
    return folds ? asciiLowercase(byte) : byte
  }

  // MARK: Building

  /// What is put in before the tree is laid flat.
  struct Builder {
    fileprivate final class Draft {
      var label: [UInt8]
      var children: [Draft] = []
      var exact: [Int32] = []
      var prefix: [Int32] = []
      var separated: [Int32] = []
      init(label: [UInt8]) { self.label = label }
    }
    fileprivate let root = Draft(label: [])
    let folds: Bool
    private(set) var isEmpty = true

    init(folds: Bool) { self.folds = folds }

    /// Values of one text ascend in the order in which they are put in.
    mutating func insert(_ text: [UInt8], _ kind: Kind, _ value: Int32) {
      isEmpty = false
      let draft = place(folds ? text.map(asciiLowercase) : text)
      switch kind {
      case .exact: draft.exact.append(value)
      case .prefix: draft.prefix.append(value)
      case .separated: draft.separated.append(value)
      }
    }

    private func place(_ text: [UInt8]) -> Draft {
      var draft = root
      var rest = text[...]
      while let first = rest.first {
        guard let index = draft.children.firstIndex(where: { $0.label[0] == first }) else {
          let added = Draft(label: Array(rest))
          draft.children.append(added)
          return added
        }
        let child = draft.children[index]
        let common = zip(child.label, rest).prefix { $0 == $1 }.count
        if common < child.label.count {
          let middle = Draft(label: Array(child.label[..<common]))
          child.label.removeFirst(common)
          middle.children = [child]
          draft.children[index] = middle
          draft = middle
        } else {
          draft = child
        }
        rest = rest.dropFirst(common)
      }
      return draft
    }
  }

  /// Lays the drafts flat, level by level, so that children of one node are neighbours.
  init(_ builder: Builder) {
    folds = builder.folds
    var order = [builder.root]
    var flat: [Node] = []
    var text: [UInt8] = []
    var all: [Int32] = []
    func list(_ values: [Int32]) -> List {
      defer { all += values }
      return List(start: Int32(all.count), count: Int32(values.count))
    }
    var next = 0
    while next < order.count {
      let draft = order[next]
      var node = Node()
      node.label = Int32(text.count)
      node.labelLength = Int32(draft.label.count)
      node.children = Int32(order.count)
      node.childCount = Int32(draft.children.count)
      node.exact = list(draft.exact)
      node.prefix = list(draft.prefix)
      node.separated = list(draft.separated)
      text += draft.label
      flat.append(node)
      order += draft.children
      next += 1
    }
    nodes = .allocate(capacity: flat.count)
    nodes.initialize(from: flat, count: flat.count)
    firstBytes = .allocate(capacity: order.count)
    firstBytes.initialize(from: order.map { $0.label.first ?? 0 }, count: order.count)
    labels = .allocate(capacity: Swift.max(text.count, 1))
    labels.initialize(from: text, count: text.count)
    values = .allocate(capacity: Swift.max(all.count, 1))
    values.initialize(from: all, count: all.count)
  }
}
