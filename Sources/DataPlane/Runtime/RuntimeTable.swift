// Runtime values as a worker sees them. A key that configuration names has a slot, found once; asking
// for its value is then a read of that slot. A new set of values comes through the worker's mailbox
// and is written into the slots between two turns of its loop: no lock, and no request sees half.
import Model

/// Where the value of one key stands. Slot 0 has none, ever: the key of "no key".
struct RuntimeSlot {
  fileprivate let index: Int
}

final class RuntimeTable {
  private var slots: [String: Int] = [:]
  private var values: [RuntimeValue?] = [nil]
  private var current: [String: RuntimeValue] = [:]

  /// The slot of a key, for the life of the worker. Control-plane frequency.
  func slot(_ key: String) -> RuntimeSlot {
    if key.isEmpty { return RuntimeSlot(index: 0) }
    if let known = slots[key] { return RuntimeSlot(index: known) }
    slots[key] = values.count
    values.append(current[key])
    return RuntimeSlot(index: values.count - 1)
  }

  /// Replaces all values.
  func replace(_ new: [String: RuntimeValue]) {
    current = new
    for (key, index) in slots { values[index] = new[key] }
  }

  /// A whole number.
  func number(_ slot: RuntimeSlot, _ otherwise: UInt64) -> UInt64 {
    if slot.index == 0 { return otherwise }
    return values[slot.index]?.number ?? otherwise
  }

  /// A switch: 0 is off as well, and any other whole number on.
  func boolean(_ slot: RuntimeSlot, _ otherwise: Bool) -> Bool {
    if slot.index == 0 { return otherwise }
    guard let value = values[slot.index] else { return otherwise }
    return value.boolean ?? value.number.map { $0 != 0 } ?? otherwise
  }

  /// Whether `random` falls into the share. A whole number stands for percent.
  func takes(_ slot: RuntimeSlot, _ otherwise: RuntimeShare, random: UInt64) -> Bool {
    var share = otherwise
    if slot.index != 0, let value = values[slot.index] {
      if let own = value.share {
        share = own
      } else if let number = value.number {
        share = RuntimeShare(numerator: UInt32(Swift.min(number, 100)), denominator: 100)
      }
    }
    return random % UInt64(share.denominator) < UInt64(share.numerator)
  }
}

/// A `RuntimeFraction` with its slot.
struct RuntimeFractionRuntime {
  private let slot: RuntimeSlot
  private let share: RuntimeShare

  init(_ model: RuntimeFraction, _ table: RuntimeTable) {
    slot = table.slot(model.key)
    share = model.defaultValue
  }

  func takes(_ table: RuntimeTable, random: UInt64) -> Bool { table.takes(slot, share, random: random) }
}
