// A tree of values as JSON has them: dynamic metadata and filter state of a stream or a connection,
// metadata of the configuration.
//
//     root {} -> "envoy.filters.x" {} -> "user" {} -> "id" "17"
//                                     -> "hits" 3
//
// Nodes lie in one run of memory and name each other by index, texts in a second one: a tree costs
// nothing until the first value is set, and `clear` keeps the memory for the next stream. Members of an
// object lie in the order of their names (that is how JSON is written), elements of a list in that
// of their making. What is looked for is walked to: objects are small.
//
// A text that is replaced stays behind in the memory; when more than half of it is such, the texts
// are moved together. Views of texts and names hold until the next change.
//
// Threading: belongs to its worker.
import Model

final class MetadataTree {
  /// Names a value; -1 is none.
  typealias NodeID = Int32
  static let root: NodeID = 0

  enum Kind: UInt8 {
    case null, bool, number
    /// Any bytes.
    case text
    case list, object
  }

  private struct Run {
    var offset: Int32 = 0
    var count: Int32 = 0
  }
  private struct Node {
    var kind = Kind.null
    var flag = false
    var name = Run()
    var text = Run()
    var number = 0.0
    /// Members or elements.
    var first: NodeID = -1
    /// The next of its siblings, or of the free ones.
    var next: NodeID = -1
  }

  /// Bytes of texts and names: as many as a stream may have of a body that waits (1 MiB).
  static let textLimit = 1 << 20
  /// As many values as lie in a text of that size, at 16 bytes each.
  static let nodeLimit = 1 << 16

  private var nodes: UnsafeMutablePointer<Node>
  private var capacity = 0
  private var count: NodeID = 0
  private var firstFree: NodeID = -1
  private var texts: UnsafeMutablePointer<UInt8>
  private var textCapacity = 0
  private var textCount = 0
  /// Bytes of `texts` that nobody names any more.
  private var garbage = 0

  init() {
    nodes = .allocate(capacity: 0)
    texts = .allocate(capacity: 0)
  }

  deinit {
    nodes.deallocate()
    texts.deallocate()
  }

  var isEmpty: Bool { count == 0 || nodes[0].first < 0 }

  /// Everything goes; large memory is given back.
  func clear() {
    count = 0
    firstFree = -1
    textCount = 0
    garbage = 0
    if capacity > 64 { resizeNodes(64) }
    if textCapacity > 4096 { resizeTexts(4096) }
  }

  // MARK: Reading

  @inline(__always) func kind(of node: NodeID) -> Kind { nodes[Int(node)].kind }
  @inline(__always) func flag(of node: NodeID) -> Bool { nodes[Int(node)].flag }
  @inline(__always) func number(of node: NodeID) -> Double { nodes[Int(node)].number }
  func text(of node: NodeID) -> ByteView { view(nodes[Int(node)].text) }
  func name(of node: NodeID) -> ByteView { view(nodes[Int(node)].name) }
  /// The first member or element; -1: none.
  @inline(__always) func first(in node: NodeID) -> NodeID { nodes[Int(node)].first }
  /// The one behind it; -1: none.
  @inline(__always) func next(after node: NodeID) -> NodeID { nodes[Int(node)].next }

  private func view(_ run: Run) -> ByteView {
    ByteView(UnsafePointer(texts + Int(run.offset)), Int(run.count))
  }

  /// The member of that name. -1: there is none, or `node` is no object (or none itself).
  func member(_ name: ByteView, of node: NodeID) -> NodeID {
    guard node >= 0, node < count, nodes[Int(node)].kind == .object else { return -1 }
    var at = nodes[Int(node)].first
    while at >= 0 {
      if view(nodes[Int(at)].name) == name { return at }
      at = nodes[Int(at)].next
    }
    return -1
  }

  // MARK: Writing

  /// The member of that name, made (as null) where there is none; a `node` that is no object becomes
  /// one. -1: over a limit.
  func makeMember(_ name: ByteView, of node: NodeID) -> NodeID {
    if count == 0, make() < 0 { return -1 }
    if nodes[Int(node)].kind != .object {
      empty(node)
      nodes[Int(node)].kind = .object
    }
    var before: NodeID = -1
    var at = nodes[Int(node)].first
    while at >= 0 {
      let other = view(nodes[Int(at)].name)
      if other == name { return at }
      if MetadataTree.isLess(name, other) { break }
      before = at
      at = nodes[Int(at)].next
    }
    guard let kept = keep(name) else { return -1 }
    let made = make()
    if made < 0 {
      garbage += name.count
      return -1
    }
    nodes[Int(made)].name = kept
    nodes[Int(made)].next = at
    if before < 0 { nodes[Int(node)].first = made } else { nodes[Int(before)].next = made }
    return made
  }

  /// One element more, null at first; a `node` that is no list becomes an empty one before. -1: over a
  /// limit.
  func append(to node: NodeID) -> NodeID {
    setList(node)
    let made = make()
    if made < 0 { return -1 }
    var last: NodeID = -1
    var at = nodes[Int(node)].first
    while at >= 0 {
      last = at
      at = nodes[Int(at)].next
    }
    if last < 0 { nodes[Int(node)].first = made } else { nodes[Int(last)].next = made }
    return made
  }

  func setNull(_ node: NodeID) { empty(node) }

  func set(_ node: NodeID, bool: Bool) {
    empty(node)
    nodes[Int(node)].kind = .bool
    nodes[Int(node)].flag = bool
  }

  func set(_ node: NodeID, number: Double) {
    empty(node)
    nodes[Int(node)].kind = .number
    nodes[Int(node)].number = number
  }

  /// False: over the limit; the value is null then. The bytes are copied.
  func set(_ node: NodeID, text: ByteView) -> Bool {
    empty(node)
    guard let kept = keep(text) else { return false }
    nodes[Int(node)].kind = .text
    nodes[Int(node)].text = kept
    return true
  }

  /// An empty object, unless it is one.
  func setObject(_ node: NodeID) {
    if nodes[Int(node)].kind == .object { return }
    empty(node)
    nodes[Int(node)].kind = .object
  }

  /// An empty list, unless it is one.
  func setList(_ node: NodeID) {
    if nodes[Int(node)].kind == .list { return }
    empty(node)
    nodes[Int(node)].kind = .list
  }

  /// False: there is no such member.
  func remove(_ name: ByteView, of node: NodeID) -> Bool {
    let found = member(name, of: node)
    if found < 0 { return false }
    let next = nodes[Int(found)].next
    var at = nodes[Int(node)].first
    if at == found {
      nodes[Int(node)].first = next
    } else {
      while nodes[Int(at)].next != found { at = nodes[Int(at)].next }
      nodes[Int(at)].next = next
    }
    free(found)
    return true
  }

  // MARK: Memory

  /// The value goes, the name stays.
  private func empty(_ node: NodeID) {
    garbage += Int(nodes[Int(node)].text.count)
    var child = nodes[Int(node)].first
    while child >= 0 {
      let next = nodes[Int(child)].next
      free(child)
      child = next
    }
    nodes[Int(node)].kind = .null
    nodes[Int(node)].text = Run()
    nodes[Int(node)].first = -1
  }

  private func free(_ node: NodeID) {
    empty(node)
    garbage += Int(nodes[Int(node)].name.count)
    nodes[Int(node)].name = Run()
    nodes[Int(node)].next = firstFree
    firstFree = node
  }

  private func make() -> NodeID {
    if firstFree >= 0 {
      let node = firstFree
      firstFree = nodes[Int(node)].next
      nodes[Int(node)] = Node()
      return node
    }
    if count >= MetadataTree.nodeLimit { return -1 }
    if Int(count) == capacity { resizeNodes(Swift.max(capacity * 2, 16)) }
    (nodes + Int(count)).initialize(to: Node())
    if count == 0 { nodes[0].kind = .object }
    count += 1
    return count - 1
  }

  private func resizeNodes(_ larger: Int) {
    let memory = UnsafeMutablePointer<Node>.allocate(capacity: larger)
    memory.moveInitialize(from: nodes, count: Int(count))
    nodes.deallocate()
    nodes = memory
    capacity = larger
  }

  private func resizeTexts(_ larger: Int) {
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    memory.update(from: texts, count: textCount)
    texts.deallocate()
    texts = memory
    textCapacity = larger
  }

  /// A copy. `text` may lie in this tree itself.
  private func keep(_ text: ByteView) -> Run? {
    if text.count == 0 { return Run() }
    let live = textCount - garbage
    guard live + text.count <= MetadataTree.textLimit else { return nil }
    if textCount + text.count > textCapacity {
      let larger = Swift.max(256, (live + text.count) * 2)
      let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
      let used = moveTexts(to: memory)
      memory.advanced(by: used).update(from: text.base, count: text.count)
      texts.deallocate()
      texts = memory
      textCapacity = larger
      textCount = used + text.count
      garbage = 0
      return Run(offset: Int32(used), count: Int32(text.count))
    }
    let offset = textCount
    (texts + offset).update(from: text.base, count: text.count)
    textCount += text.count
    return Run(offset: Int32(offset), count: Int32(text.count))
  }

  /// What is named is moved together. The bytes that were taken.
  private func moveTexts(to memory: UnsafeMutablePointer<UInt8>) -> Int {
    var used = 0
    func move(_ run: inout Run) {
      let length = Int(run.count)
      (memory + used).update(from: texts + Int(run.offset), count: length)
      run.offset = Int32(used)
      used += length
    }
    for index in 0..<Int(count) {
      move(&nodes[index].name)
      move(&nodes[index].text)
    }
    return used
  }

  private static func isLess(_ a: ByteView, _ b: ByteView) -> Bool {
    for index in 0..<Swift.min(a.count, b.count) where a[index] != b[index] { return a[index] < b[index] }
    return a.count < b.count
  }
}

extension MetadataTree {
  /// The value at the end of the path, which is made where it is not there. False: over a limit.
  func set(_ path: [String], text: [UInt8]) -> Bool {
    var node = MetadataTree.root
    for key in path {
      let name = OwnedText(key)
      node = withExtendedLifetime(name) { makeMember(name.view, of: node) }
      if node < 0 { return false }
    }
    let bytes = OwnedText(text)
    return withExtendedLifetime(bytes) { set(node, text: bytes.view) }
  }

  /// Of the configuration. Nil: there is none.
  convenience init?(_ model: Metadata) {
    if model.isEmpty { return nil }
    self.init()
    for (namespace, members) in model.namespaces {
      let name = OwnedText(namespace)
      let node = withExtendedLifetime(name) { makeMember(name.view, of: MetadataTree.root) }
      if node >= 0 { set(node, .object(members)) }
    }
  }

  private func set(_ node: NodeID, _ value: MetadataValue) {
    switch value {
    case .null: setNull(node)
    case .bool(let flag): set(node, bool: flag)
    case .number(let number): set(node, number: number)
    case .string(let text):
      let bytes = OwnedText(text)
      withExtendedLifetime(bytes) { _ = set(node, text: bytes.view) }
    case .list(let elements):
      setList(node)
      for element in elements {
        let made = append(to: node)
        if made >= 0 { set(made, element) }
      }
    case .object(let members):
      setObject(node)
      for (key, value) in members {
        let name = OwnedText(key)
        let made = withExtendedLifetime(name) { makeMember(name.view, of: node) }
        if made >= 0 { set(made, value) }
      }
    }
  }
}
