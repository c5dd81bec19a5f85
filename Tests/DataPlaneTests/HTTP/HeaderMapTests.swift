// The header map against a list of pairs, and that what it lent stays readable.
import Testing

@testable import DataPlane

@Suite struct HeaderMapTests {
  private static let ids: [HeaderID] = [.host, .connection, .date, .server, .location, .unknown]

  private func pairs(_ map: HeaderMap) -> [String] {
    (0..<map.count).map { "\(map.entries[$0].nameView.string)=\(map.entries[$0].valueView.string)" }
  }

  @Test func addingSettingAndRemoving() {
    let map = HeaderMap()
    map.add(.server, "server", value: "a")
    withView("1") { map.addCopy(.unknown, name: ByteView($0.base, 1), value: $0) }
    map.add(.server, "server", value: "b")
    map.add(.contentLength, "content-length", decimal: .max)
    #expect(pairs(map) == ["server=a", "1=1", "server=b", "content-length=18446744073709551615"])
    #expect(map.first(.server)?.string == "a")
    #expect(map.first(.date) == nil)
    #expect(map.contains(.contentLength))
    withView("new") { map.set(.server, "server", value: $0) }
    #expect(pairs(map) == ["server=new", "1=1", "content-length=18446744073709551615"])
    withView("") { map.set(.date, "date", value: $0) }
    #expect(pairs(map).last == "date=")
    map.remove(.server)
    map.remove(.server)
    #expect(pairs(map) == ["1=1", "content-length=18446744073709551615", "date="])
    map.remove(at: 0)
    map.remove(at: 1)
    #expect(pairs(map) == ["content-length=18446744073709551615"])
    map.clear()
    #expect(map.count == 0)
  }

  @Test func twoMapsExchangeTheirContent() {
    let map = HeaderMap()
    let other = HeaderMap()
    withView("value") { map.addCopy(.unknown, name: $0, value: $0) }
    // More than one block of memory and of entries.
    let long = String(repeating: "x", count: 3000)
    for _ in 0..<40 { withView(long) { other.addCopy(.server, name: $0, value: $0) } }
    map.exchange(with: other)
    #expect(map.count == 40 && map.entries[39].valueView.string == long)
    #expect(pairs(other) == ["value=value"])
    map.clear()
    withView("new") { other.set(.server, "server", value: $0) }
    withView("own") { map.set(.date, "date", value: $0) }
    #expect(pairs(other) == ["value=value", "server=new"] && pairs(map) == ["date=own"])
  }

  @Test func namesAreRemovedExceptThoseThatFrame() {
    let map = HeaderMap()
    map.add(.contentLength, "content-length", decimal: 5)
    map.add(.server, "server", value: "a")
    withView("x-a") { map.addCopy(.unknown, name: $0, value: $0) }
    map.add(.date, "date", value: "d")
    map.removeNames { $0.string != "date" }
    #expect(pairs(map) == ["content-length=5", "date=d"])
  }

  @Test func aSetOfNumbersIsRemoved() {
    let map = HeaderMap()
    for raw in UInt16(20)...40 { map.add(HeaderID(rawValue: raw), "n", value: "v") }
    map.add(.unknown, "n", value: "v")
    map.add(HeaderID(rawValue: 64), "n", value: "v")
    let set = HeaderSet(HeaderID(rawValue: 22), HeaderID(rawValue: 23), HeaderID(rawValue: 40))
    #expect(map.present.meets(set))
    map.remove(set)
    #expect((0..<map.count).map { map.entries[$0].id.rawValue } == [20, 21] + Array(24...39) + [0, 64])
    #expect(!map.present.meets(set))
    #expect(map.present.contains(HeaderID(rawValue: 39)) && !map.present.contains(HeaderID(rawValue: 40)))
  }

  @Test func fieldsAreJoined() {
    let map = HeaderMap()
    for (id, value) in [(HeaderID.via, "a"), (.xForwardedFor, "1"), (.via, ""), (.via, "b")]
      as [(HeaderID, StaticString)]
    {
      map.add(id, "n", value: value)
    }
    map.join(.via)
    map.join(.xForwardedFor)
    map.join(.userAgent)
    #expect(pairs(map) == ["n=a,,b", "n=1"])
    let text: StaticString = "mine"
    let mine = ByteView(text.utf8Start, 4)
    map.append(.via, "via", value: mine, separator: ", ")
    map.append(.userAgent, "user-agent", value: mine, separator: ",")
    #expect(pairs(map) == ["n=a,,b, mine", "n=1", "user-agent=mine"])
  }

  @Test func againstAModel() {
    var random = SeededRandom(2)
    let map = HeaderMap()
    var model: [(id: HeaderID, value: String)] = []
    for step in 0..<20_000 {
      let id = Self.ids[Int.random(in: 0..<5, using: &random)]
      let value = String(repeating: "v", count: Int.random(in: 0...30, using: &random)) + "\(step)"
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5:
        withView(value) { map.add(id, "n", value: $0) }
        model.append((id, value))
      case 5, 6:
        withView(value) { map.set(id, "n", value: $0) }
        if let first = model.firstIndex(where: { $0.id == id }) {
          model[first].value = value
          var kept = false
          model.removeAll { entry in
            guard entry.id == id else { return false }
            defer { kept = true }
            return kept
          }
        } else {
          model.append((id, value))
        }
      case 7:
        map.remove(id)
        model.removeAll { $0.id == id }
      case 8 where !model.isEmpty:
        let index = Int.random(in: 0..<model.count, using: &random)
        map.remove(at: index)
        model.remove(at: index)
      default:
        if step % 50 == 0 {
          map.clear()
          model = []
        }
      }
      let first = model.first { $0.id == id }
      guard map.count == model.count, map.first(id)?.string == first?.value else {
        Issue.record("differs at step \(step)")
        return
      }
    }
    #expect((0..<map.count).map { map.entries[$0].valueView.string } == model.map(\.value))
  }

  @Test func lentViewsStayWhileTheArenaGrows() {
    let map = HeaderMap()
    var lent: [(ByteView, String)] = []
    for index in 0..<500 {
      let value = "value-\(index)-" + String(repeating: "x", count: index % 90)
      withView(value) { map.set(.date, "date", value: $0) }
      if let view = map.first(.date) { lent.append((view, value)) }
      let scratch = map.scratch(index)
      scratch.update(repeating: 0x2e, count: index)
    }
    let large = map.scratch(100_000)
    large.update(repeating: 0x2e, count: 100_000)
    for (view, value) in lent { #expect(view.string == value) }
  }

  @Test func rebasingMovesEveryField() {
    let map = HeaderMap()
    let old = bytes("name1value1name2value2")
    let new = bytes("NAME1VALUE1NAME2VALUE2")
    old.withUnsafeBufferPointer { old in
      new.withUnsafeBufferPointer { new in
        let base = old.baseAddress.unsafelyUnwrapped
        for start in [0, 11] {
          map.appendParsed(
            HeaderEntry(
              name: base + start, value: base + start + 5, valueLength: 6, nameLength: 5, id: .unknown))
        }
        map.rebase(from: base, to: new.baseAddress.unsafelyUnwrapped)
        #expect(pairs(map) == ["NAME1=VALUE1", "NAME2=VALUE2"])
      }
    }
  }

  @Test func theHeldChunkGoesBack() {
    let pool = ChunkPool()
    let map = HeaderMap()
    map.hold(pool.small())
    map.hold(pool.small())
    #expect(pool.outstanding == 1)
    map.clear()
    #expect(pool.outstanding == 0)
  }
}
