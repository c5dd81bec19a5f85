// The formats that one plugin version has defined, by number. Those without operators of plugins stay for
// ever, as all else that plugins define. One with such an operator holds on to the operator's plugin and
// configuration, so it is counted by the config scopes that want it, and goes with the last; its number
// is used again then.

/// A number, and which of its formats is meant.
public struct FormatNumber: Hashable, Sendable {
  public var number: Int
  /// Unlike that of any other format of the same number.
  public var serial: UInt64
}

public struct NumberedFormats: Sendable {
  public struct Slot: Sendable {
    /// Nil: the number is free.
    public fileprivate(set) var format: FormatString?
    public fileprivate(set) var serial: UInt64 = 0
    fileprivate var users = 0
  }
  public private(set) var slots: [Slot] = []
  private var numbers: [FormatString: Int] = [:]
  private var free: [Int] = []
  private var serial: UInt64 = 0

  /// Nil: there are too many.
  mutating func number(_ format: FormatString) -> Int? {
    let isCounted = !format.plugins.isEmpty
    if let known = numbers[format] {
      if isCounted { slots[known].users += 1 }
      return known
    }
    guard !free.isEmpty || slots.count < PluginResources.limit else { return nil }
    serial += 1
    let slot = Slot(format: format, serial: serial, users: isCounted ? 1 : 0)
    let number = free.popLast() ?? slots.count
    if number == slots.count { slots.append(slot) } else { slots[number] = slot }
    numbers[format] = number
    return number
  }

  /// Nil: somebody wants it still.
  mutating func release(_ number: Int) -> FormatNumber? {
    slots[number].users -= 1
    guard slots[number].users == 0, let format = slots[number].format else { return nil }
    let gone = FormatNumber(number: number, serial: slots[number].serial)
    numbers[format] = nil
    slots[number].format = nil
    free.append(number)
    return gone
  }
}
