// Handles: each finds its own object, and nothing when that has gone.
import Testing

@testable import DataPlane

private final class Thing {
  let number: Int
  init(_ number: Int) { self.number = number }
}

@Suite struct SlabTests {
  @Test func againstAModel() {
    var random = SeededRandom(4)
    let slab = Slab<Thing>(worker: 3)
    var live: [UInt64: Int] = [:]
    var gone: [Handle] = []
    for number in 0..<5000 {
      if Bool.random(using: &random) || live.isEmpty {
        let handle = slab.insert(Thing(number))
        guard live[handle.rawValue] == nil else {
          Issue.record("a handle that is in use")
          return
        }
        live[handle.rawValue] = number
      } else if let raw = live.keys.randomElement(using: &random) {
        slab.remove(Handle(rawValue: raw))
        slab.remove(Handle(rawValue: raw))
        live[raw] = nil
        gone.append(Handle(rawValue: raw))
      }
    }
    #expect(slab.count == live.count)
    #expect(live.allSatisfy { slab[Handle(rawValue: $0)]?.number == $1 })
    #expect(gone.allSatisfy { slab[$0] == nil })
    #expect(Set(slab.all.map(\.number)) == Set(live.values))
  }

  @Test func handlesOfOthersFindNothing() {
    let slab = Slab<Thing>(worker: 0)
    let other = Slab<Thing>(worker: 254)
    let handle = slab.insert(Thing(1))
    let foreign = other.insert(Thing(2))
    #expect(slab[foreign] == nil && other[handle] == nil)
    #expect(slab[.none] == nil)
    #expect(slab[Handle(rawValue: handle.rawValue + 1)] == nil)
    #expect(slab[Handle(rawValue: .max)] == nil)
    #expect(handle != .none)
  }

  @Test func everyLifeOfASlotHasItsOwnHandle() {
    let slab = Slab<Thing>(worker: 0)
    let thing = Thing(0)
    var seen = Set<UInt64>()
    for _ in 0..<70_000 {
      let handle = slab.insert(thing)
      seen.insert(handle.rawValue)
      slab.remove(handle)
    }
    #expect(seen.count == 70_000)
  }
}
