// Runtime values by slot.
import Model
import Testing

@testable import DataPlane

@Suite struct RuntimeTableTests {
  @Test func valuesComeAndGo() {
    let table = RuntimeTable()
    let slot = table.slot("a.b")
    let none = table.slot("")
    #expect(table.number(slot, 7) == 7)
    table.replace(["a.b": RuntimeValue(text: "3", number: 3), "": RuntimeValue(text: "9", number: 9)])
    #expect(table.number(slot, 7) == 3)
    #expect(table.number(table.slot("a.b"), 7) == 3)
    #expect(table.number(none, 7) == 7)
    #expect(table.boolean(slot, true))
    table.replace(["a.b": RuntimeValue(text: "false", boolean: false)])
    #expect(table.number(slot, 7) == 7)
    #expect(!table.boolean(slot, true))
    table.replace([:])
    #expect(table.boolean(slot, true))
    // A key that is asked for when the values are there already.
    table.replace(["late": RuntimeValue(text: "1", number: 1)])
    #expect(table.number(table.slot("late"), 0) == 1)
  }

  @Test func shares() {
    let table = RuntimeTable()
    let slot = table.slot("k")
    let half = RuntimeShare(numerator: 5000, denominator: 10_000)
    func taken(_ slot: RuntimeSlot) -> Int {
      (0..<10_000).count { table.takes(slot, half, random: UInt64($0)) }
    }
    #expect(taken(slot) == 5000)
    table.replace(["k": RuntimeValue(text: "10", number: 10)])
    #expect(taken(slot) == 1000)
    #expect(taken(table.slot("")) == 5000)
    table.replace(["k": RuntimeValue(text: "", share: RuntimeShare(numerator: 1, denominator: 10_000))])
    #expect(taken(slot) == 1)
    table.replace(["k": RuntimeValue(text: "101", number: 101)])
    #expect(taken(slot) == 10_000)
    table.replace(["k": RuntimeValue(text: "true", boolean: true)])
    #expect(taken(slot) == 5000)
  }
}
