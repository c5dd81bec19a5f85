// Trees of values: what is set can be found, what is replaced gives its memory back, and limits hold.
import Model
import Testing

@testable import DataPlane

@Suite struct MetadataTreeTests {
  private func set(_ tree: MetadataTree, _ path: String, _ value: String) -> Bool {
    tree.set(path.split(separator: "/").map(String.init), text: bytes(value))
  }

  private func json(_ tree: MetadataTree) -> String {
    let out = TextBuffer()
    tree.writeJSON(MetadataTree.root, to: out)
    return out.view.string
  }

  private func find(_ tree: MetadataTree, _ path: String) -> String? {
    MetadataPath(path.split(separator: "/").map(String.init)).find(in: tree).map {
      $0.tree.text(of: $0.node).string
    }
  }

  @Test func valuesAreFoundAgain() {
    let tree = MetadataTree()
    #expect(tree.isEmpty)
    #expect(find(tree, "a/b") == nil)
    #expect(set(tree, "b/x/y", "1"))
    #expect(set(tree, "a/z", ""))
    #expect(set(tree, "a/c", "\u{e9}\"\n"))
    #expect(find(tree, "b/x/y") == "1")
    #expect(find(tree, "b/x") == "")
    #expect(find(tree, "b/nope") == nil)
    // Through a text there is no way.
    #expect(find(tree, "a/c/d") == nil)
    #expect(json(tree) == #"{"a":{"c":"é\"\n","z":""},"b":{"x":{"y":"1"}}}"#)
  }

  @Test func everyKind() {
    let tree = MetadataTree(
      Metadata(namespaces: [
        "m": [
          "n": .null, "t": .bool(true), "f": .bool(false), "i": .number(-12), "d": .number(1.5),
          "big": .number(1e20), "l": .list([.number(1), .string("x"), .null, .list([])]), "o": .object([:]),
        ]
      ]))
    #expect(
      tree.map(json)
        == #"{"m":{"big":1e+20,"d":1.5,"f":false,"i":-12,"l":[1,"x",null,[]],"n":null,"o":{},"t":true}}"#)
    #expect(MetadataTree(Metadata()) == nil)
  }

  @Test func anotherKindReplaces() {
    let tree = MetadataTree()
    #expect(set(tree, "a/b/c", "1"))
    #expect(set(tree, "a/b", "2"))
    #expect(json(tree) == #"{"a":{"b":"2"}}"#)
    #expect(set(tree, "a/b/d", "3"))
    #expect(json(tree) == #"{"a":{"b":{"d":"3"}}}"#)
  }

  @Test func removing() {
    let tree = MetadataTree()
    for key in ["b", "a", "c"] { #expect(set(tree, "n/\(key)", key)) }
    let node = withView("n") { tree.member($0, of: MetadataTree.root) }
    for (key, rest) in [("b", #"{"n":{"a":"a","c":"c"}}"#), ("a", #"{"n":{"c":"c"}}"#), ("c", #"{"n":{}}"#)] {
      #expect(withView(key) { tree.remove($0, of: node) })
      #expect(withView(key) { !tree.remove($0, of: node) })
      #expect(json(tree) == rest)
    }
    #expect(set(tree, "n/d", "4"))
    tree.clear()
    #expect(tree.isEmpty)
    #expect(set(tree, "x", "y"))
    #expect(json(tree) == #"{"x":"y"}"#)
  }

  /// A long connection may set a value for ever.
  @Test func replacedTextsDoNotPileUp() {
    let tree = MetadataTree()
    #expect(set(tree, "a/kept", "kept"))
    for round in 0..<5000 { #expect(set(tree, "a/b", String(repeating: "x", count: 1 + round % 3000))) }
    #expect(find(tree, "a/kept") == "kept")
    #expect(find(tree, "a/b")?.count == 1 + 4999 % 3000)
  }

  /// The value may lie in the tree itself.
  @Test func aValueOfItsOwn() {
    let tree = MetadataTree()
    #expect(set(tree, "a", String(repeating: "y", count: 200)))
    for round in 0..<20 {
      let from = withView("a") { tree.member($0, of: MetadataTree.root) }
      let to = withView("b\(round)") { tree.makeMember($0, of: MetadataTree.root) }
      #expect(tree.set(to, text: tree.text(of: from)))
    }
    #expect(find(tree, "b19") == String(repeating: "y", count: 200))
  }

  @Test func limits() {
    let tree = MetadataTree()
    let half = String(repeating: "z", count: MetadataTree.textLimit / 2 - 8)
    #expect(set(tree, "a", half))
    #expect(set(tree, "b", half))
    #expect(!set(tree, "c", "more than there is room for"))
    #expect(find(tree, "a") == half)
    #expect(set(tree, "b", "small"))
    #expect(set(tree, "c", "there is room again"))
    let list = MetadataTree()
    let node = withView("l") { list.makeMember($0, of: MetadataTree.root) }
    var previous: MetadataTree.NodeID = node
    var made = 0
    // Nested, as appending to one long list would be quadratic.
    while previous >= 0, made <= MetadataTree.nodeLimit {
      previous = list.append(to: previous)
      made += 1
    }
    #expect(made == MetadataTree.nodeLimit - 1)
  }

  /// The same as a dictionary, whatever is set and removed.
  @Test func asADictionary() {
    var random = SeededRandom(11)
    let tree = MetadataTree()
    var expected: [String: String] = [:]
    for _ in 0..<20_000 {
      let key = "k\(random.next() % 40)"
      if random.next() % 3 == 0 {
        let node = withView("n") { tree.makeMember($0, of: MetadataTree.root) }
        #expect(withView(key) { tree.remove($0, of: node) } == (expected.removeValue(forKey: key) != nil))
      } else {
        let value = String(repeating: "v", count: Int(random.next() % 60))
        #expect(set(tree, "n/\(key)", value))
        expected[key] = value
      }
    }
    for number in 0..<40 { #expect(find(tree, "n/k\(number)") == expected["k\(number)"]) }
  }

  @Test func matchers() {
    let tree = MetadataTree(
      Metadata(namespaces: [
        "m": [
          "s": .string("abc"), "n": .number(2), "b": .bool(true), "z": .null,
          "l": .list([.number(1), .number(2)]),
        ]
      ]))
    func matches(_ key: String, _ value: ValueMatcher, invert: Bool = false) -> Bool {
      var model = MetadataMatcher(namespace: "m", path: [key], value: value)
      model.invert = invert
      return MetadataMatcherRuntime(model).matches(tree)
    }
    let text = ValueMatcher.string(StringMatcher(.prefix("ab")))
    #expect(matches("s", text) && !matches("n", text) && !matches("x", text))
    #expect(matches("x", text, invert: true) && !matches("s", text, invert: true))
    #expect(matches("n", .number(2)) && !matches("n", .number(3)) && !matches("s", .number(2)))
    #expect(matches("n", .range(lower: 2, upper: 3)) && !matches("n", .range(lower: 1, upper: 2)))
    #expect(matches("b", .bool(true)) && !matches("b", .bool(false)))
    #expect(matches("z", .null) && !matches("s", .null) && !matches("x", .null))
    #expect(matches("l", .element(.number(2))) && !matches("l", .element(.number(3))))
    #expect(matches("s", .present(true)) && !matches("l", .present(true)) && !matches("x", .present(true)))
    #expect(!matches("x", .present(false)) && !matches("s", .present(false)))
    #expect(matches("n", .any([text, .number(2)])) && !matches("b", .any([text, .number(2)])))
  }
}
