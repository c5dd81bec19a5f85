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

  /// The count of lives has 24 bits, and none of them is the worker's.
  @Test func livesBeginAnewAfterAllOfThem() {
    let slab = Slab<Thing>(worker: 5, kind: 1)
    let thing = Thing(0)
    let place = slab.reserve()
    let first = slab.lend(thing, at: place)
    var last = first
    for _ in 0..<(1 << 24) - 2 {
      slab.withdraw(place)
      last = slab.lend(thing, at: place)
    }
    #expect(last != first && slab[first] == nil && slab[last] === thing)
    slab.withdraw(place)
    #expect(slab.lend(thing, at: place) == first, "no life has the number 0")
    slab.withdraw(place)
  }

  @Test func aPlaceThatIsLentAgainAndAgain() {
    let slab = Slab<Thing>(worker: 0)
    weak var gone: Thing?
    var handles: [Handle] = []
    do {
      let thing = Thing(7)
      gone = thing
      let place = slab.reserve()
      for _ in 0..<1000 {
        let handle = slab.lend(thing, at: place)
        #expect(slab[handle] === thing)
        #expect(slab.count == 1)
        handles.append(handle)
        slab.withdraw(place)
        #expect(slab[handle] == nil)
        #expect(slab.count == 0)
      }
      slab.free(place)
    }
    #expect(gone == nil, "the slab has not held it")
    #expect(Set(handles.map(\.rawValue)).count == 1000)
    let next = slab.insert(Thing(8))
    #expect(handles.allSatisfy { slab[$0] == nil } && slab[next]?.number == 8, "its place is used again")
  }

  @Test func aSlabLetsGoOfWhatItHolds() {
    weak var held: Thing?
    let lent = Thing(1)
    do {
      let slab = Slab<Thing>(worker: 0)
      let thing = Thing(0)
      held = thing
      _ = slab.insert(thing)
      _ = slab.lend(lent, at: slab.reserve())
      for number in 0..<100 { _ = slab.insert(Thing(number)) }
    }
    #expect(held == nil)
    #expect(lent.number == 1)
  }
}
