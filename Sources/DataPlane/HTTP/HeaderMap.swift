// The fields of one head: a list of slices into the bytes that were read, in the order in which
// they came, names in lower case (as HTTP/2 and Envoy have them).
//
//     entries   [name pointer, value pointer, value length, name length, id] ...
//     head      the chunk that the head was parsed in, held while the map is in use
//     arena     what was added or changed, in memory of the map's own
//
// A map belongs to a stream, is cleared and used again; in steady state nothing is allocated.
// Borrowed `ByteView`s stay valid until the map is cleared, also after a set: the arena grows by
// further blocks, it never moves.

struct HeaderEntry {
  /// Into the held chunk, the arena, or static text.
  var name: UnsafePointer<UInt8>
  var value: UnsafePointer<UInt8>
  var valueLength: UInt32
  var nameLength: UInt16
  /// The name's number, 0 for none.
  var id: HeaderID

  @inline(__always) var nameView: ByteView { ByteView(name, Int(nameLength)) }
  @inline(__always) var valueView: ByteView { ByteView(value, Int(valueLength)) }
}

/// Some of the names with the numbers 1 to 63.
struct HeaderSet: Equatable {
  fileprivate(set) var bits: UInt64

  @inline(__always) init(bits: UInt64) { self.bits = bits }
  init(_ ids: HeaderID...) { bits = ids.reduce(0) { $0 | 1 << UInt64($1.rawValue) } }

  /// All numbers of a range.
  @inline(__always) init(from first: HeaderID, through last: HeaderID) {
    bits = ((2 << UInt64(last.rawValue - first.rawValue)) - 1) << UInt64(first.rawValue)
  }

  @inline(__always) func contains(_ id: HeaderID) -> Bool { bits & 1 << UInt64(id.rawValue) != 0 }
  @inline(__always) func meets(_ other: HeaderSet) -> Bool { bits & other.bits != 0 }
  @inline(__always) func union(_ other: HeaderSet) -> HeaderSet { HeaderSet(bits: bits | other.bits) }
}

final class HeaderMap {
  private(set) var entries: UnsafeMutablePointer<HeaderEntry>
  private var capacity = 32
  private(set) var count = 0
  private var head: Chunk?
  private let arena: Arena

  init() {
    entries = .allocate(capacity: capacity)
    arena = Arena()
  }

  deinit {
    clear()
    entries.deallocate()
  }

  /// Empties the map and lets go of the head's bytes.
  @inline(__always)
  func clear() {
    count = 0
    if let head { head.release() }
    head = nil
    arena.clear()
  }

  /// The map keeps the chunk (one reference, taken over) until it is cleared.
  @inline(__always)
  func hold(_ chunk: Chunk) {
    if let head { head.release() }
    head = chunk
  }

  /// Adds a field that lives in the held chunk. For the parser.
  @inline(__always)
  func appendParsed(_ entry: HeaderEntry) {
    if count == capacity { grow() }
    (entries + count).initialize(to: entry)
    count &+= 1
  }

  @inline(never)
  private func grow() {
    let larger = UnsafeMutablePointer<HeaderEntry>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: entries, count: count)
    entries.deallocate()
    entries = larger
    capacity *= 2
  }

  /// The bytes under an incomplete head were moved: see `HTTP1HeadParser`. Every entry points
  /// into them then.
  func rebase(from old: UnsafePointer<UInt8>, to new: UnsafePointer<UInt8>) {
    for index in 0..<count {
      entries[index].name = new + (entries[index].name - old)
      entries[index].value = new + (entries[index].value - old)
    }
  }

  // MARK: Reading

  /// The first field with this number.
  @inline(__always)
  func first(_ id: HeaderID) -> ByteView? {
    var index = 0
    // Two at a time: filters ask for this most, and half of it is the loop.
    while index &+ 1 < count {
      if entries[index].id == id { return entries[index].valueView }
      if entries[index &+ 1].id == id { return entries[index &+ 1].valueView }
      index &+= 2
    }
    return index < count && entries[index].id == id ? entries[index].valueView : nil
  }

  func contains(_ id: HeaderID) -> Bool { first(id) != nil }

  /// Which of the well-known names there are, in one walk.
  @inline(__always)
  var present: HeaderSet {
    var set: UInt64 = 0
    var index = 0
    while index < count {
      // A shift by 64 or more gives 0.
      set |= 1 << UInt64(entries[index].id.rawValue)
      index &+= 1
    }
    return HeaderSet(bits: set)
  }

  // MARK: Changing

  /// Adds a field behind the others. `name` is in lower case and outlives the map (a literal or
  /// configuration); the value is copied.
  func add(_ id: HeaderID, _ name: StaticString, value: ByteView) {
    appendParsed(
      HeaderEntry(
        name: name.utf8Start, value: arena.copy(value), valueLength: UInt32(value.count),
        nameLength: UInt16(name.utf8CodeUnitCount), id: id))
  }

  /// As `add`, the value not copied: it lives as long as the map's content.
  @inline(__always)
  func addInPlace(_ id: HeaderID, _ name: StaticString, value: ByteView) {
    appendParsed(
      HeaderEntry(
        name: name.utf8Start, value: value.base, valueLength: UInt32(value.count),
        nameLength: UInt16(name.utf8CodeUnitCount), id: id))
  }

  func add(_ id: HeaderID, _ name: StaticString, value: StaticString) {
    appendParsed(
      HeaderEntry(
        name: name.utf8Start, value: value.utf8Start,
        valueLength: UInt32(value.utf8CodeUnitCount), nameLength: UInt16(name.utf8CodeUnitCount),
        id: id))
  }

  /// Adds a field whose name and value are both copied.
  func addCopy(_ id: HeaderID, name: ByteView, value: ByteView) {
    appendParsed(
      HeaderEntry(
        name: arena.copy(name), value: arena.copy(value), valueLength: UInt32(value.count),
        nameLength: UInt16(name.count), id: id))
  }

  func add(_ id: HeaderID, _ name: StaticString, decimal: UInt64) {
    let space = arena.reserve(20)
    let length = writeDecimal(decimal, to: space)
    arena.commit(length)
    appendParsed(
      HeaderEntry(
        name: name.utf8Start, value: UnsafePointer(space), valueLength: UInt32(length),
        nameLength: UInt16(name.utf8CodeUnitCount), id: id))
  }

  /// Removes every field with this number, keeping the others' order.
  func remove(_ id: HeaderID) {
    var kept = 0
    for index in 0..<count where entries[index].id != id {
      if kept != index { entries[kept] = entries[index] }
      kept += 1
    }
    count = kept
  }

  /// Removes every field whose name is one of these, those that frame and route excepted.
  func removeNames(_ isOne: (ByteView) -> Bool) {
    var kept = 0
    for index in 0..<count {
      let entry = entries[index]
      if entry.id.rawValue == 0 || entry.id.rawValue > HeaderID.transferEncoding.rawValue,
        isOne(entry.nameView)
      {
        continue
      }
      if kept != index { entries[kept] = entry }
      kept += 1
    }
    count = kept
  }

  /// Replaces the value of the fields with this number by a decimal one.
  func set(_ id: HeaderID, _ name: StaticString, decimal: UInt64) {
    remove(id)
    add(id, name, decimal: decimal)
  }

  /// Gives the content to the other map and takes its own.
  func exchange(with other: HeaderMap) {
    swap(&entries, &other.entries)
    swap(&capacity, &other.capacity)
    swap(&count, &other.count)
    swap(&head, &other.head)
    arena.exchange(with: other.arena)
  }

  /// Removes every field of the set.
  func remove(_ set: HeaderSet) {
    var kept = 0
    for index in 0..<count where !set.contains(entries[index].id) {
      if kept != index { entries[kept] = entries[index] }
      kept += 1
    }
    count = kept
  }

  /// Several fields of this name as one, their values joined by commas, as Envoy holds them.
  func join(_ id: HeaderID) {
    var fields = 0
    var length = 0
    for index in 0..<count where entries[index].id == id {
      fields += 1
      length += Int(entries[index].valueLength) + 1
    }
    guard fields > 1 else { return }
    let space = scratch(length)
    var used = 0
    var kept = 0
    var first: Int?
    for index in 0..<count {
      let entry = entries[index]
      if entry.id == id {
        if first != nil {
          space[used] = UInt8(ascii: ",")
          used += 1
        }
        (space + used).update(from: entry.value, count: Int(entry.valueLength))
        used += Int(entry.valueLength)
        if first != nil { continue }
        first = kept
      }
      entries[kept] = entry
      kept += 1
    }
    count = kept
    if let first {
      entries[first].value = UnsafePointer(space)
      entries[first].valueLength = UInt32(used)
    }
  }

  /// Adds `value` behind `separator` to the one field of this name, or as a field of its own.
  func append(_ id: HeaderID, _ name: StaticString, value: ByteView, separator: StaticString) {
    join(id)
    guard let old = first(id), old.count > 0 else {
      set(id, name, value: value)
      return
    }
    let between = separator.utf8CodeUnitCount
    let space = scratch(old.count + between + value.count)
    space.update(from: old.base, count: old.count)
    (space + old.count).update(from: separator.utf8Start, count: between)
    (space + old.count + between).update(from: value.base, count: value.count)
    for index in 0..<count where entries[index].id == id {
      entries[index].value = UnsafePointer(space)
      entries[index].valueLength = UInt32(old.count + between + value.count)
    }
  }

  func remove(at position: Int) {
    for index in position..<(count - 1) { entries[index] = entries[index + 1] }
    count -= 1
  }

  /// Replaces the value of the first field with this number, removes the rest; adds it if missing.
  func set(_ id: HeaderID, _ name: StaticString, value: ByteView) {
    let copy = arena.copy(value)
    var found = false
    var kept = 0
    for index in 0..<count {
      var entry = entries[index]
      if entry.id == id {
        if found { continue }
        found = true
        entry.value = copy
        entry.valueLength = UInt32(value.count)
      }
      entries[kept] = entry
      kept += 1
    }
    count = kept
    if !found {
      appendParsed(
        HeaderEntry(
          name: name.utf8Start, value: copy, valueLength: UInt32(value.count),
          nameLength: UInt16(name.utf8CodeUnitCount), id: id))
    }
  }

  /// As `add` for a name of the configuration, which outlives the map. `joins`: with a comma to the
  /// field that is there.
  func append(_ id: HeaderID, name: ByteView, value: ByteView, joins: Bool) {
    if joins, let old = first(id) {
      let space = arena.reserve(old.count + value.count + 1)
      space.update(from: old.base, count: old.count)
      space[old.count] = UInt8(ascii: ",")
      (space + old.count + 1).update(from: value.base, count: value.count)
      arena.commit(old.count + value.count + 1)
      put(id, name: name, value: UnsafePointer(space), count: old.count + value.count + 1)
      return
    }
    appendParsed(
      HeaderEntry(
        name: name.base, value: arena.copy(value), valueLength: UInt32(value.count),
        nameLength: UInt16(name.count), id: id))
  }

  /// As `set` for a name of the configuration.
  func replace(_ id: HeaderID, name: ByteView, value: ByteView) {
    put(id, name: name, value: arena.copy(value), count: value.count)
  }

  /// The one field with this number, where the first stood or at the end.
  private func put(_ id: HeaderID, name: ByteView, value: UnsafePointer<UInt8>, count length: Int) {
    var found = false
    var kept = 0
    for index in 0..<count {
      var entry = entries[index]
      if entry.id == id {
        if found { continue }
        found = true
        entry.value = value
        entry.valueLength = UInt32(length)
      }
      entries[kept] = entry
      kept += 1
    }
    count = kept
    if !found {
      appendParsed(
        HeaderEntry(
          name: name.base, value: value, valueLength: UInt32(length), nameLength: UInt16(name.count),
          id: id))
    }
  }

  // MARK: By name, for those that have no number

  /// The position of the first field of this name from `start` on. `id` is the name's number.
  @inline(__always)
  func position(of id: HeaderID, _ name: ByteView, from start: Int = 0) -> Int? {
    var index = start
    while index < count {
      let entry = entries + index
      if entry.pointee.id == id, id != .unknown || entry.pointee.nameView == name { return index }
      index &+= 1
    }
    return nil
  }

  /// Replaces the value of the first field of this name, removes the rest; adds it if missing.
  func setCopy(_ id: HeaderID, name: ByteView, value: ByteView) {
    guard let first = position(of: id, name) else {
      addCopy(id, name: name, value: value)
      return
    }
    let copy = arena.copy(value)
    entries[first].value = copy
    entries[first].valueLength = UInt32(value.count)
    var next = first &+ 1
    while let other = position(of: id, name, from: next) {
      remove(at: other)
      next = other
    }
  }

  /// A copy that lives as long as the map's content.
  func keep(_ view: ByteView) -> ByteView { ByteView(arena.copy(view), view.count) }

  /// Memory that lives as long as the map's content, for values made in place.
  func scratch(_ count: Int) -> UnsafeMutablePointer<UInt8> {
    let space = arena.reserve(count)
    arena.commit(count)
    return space
  }
}

/// Memory that only grows until it is cleared. The first block is kept.
final class Arena {
  private static let blockSize = 1024
  private var block: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private var used = 0
  private var full: [UnsafeMutablePointer<UInt8>] = []

  init() {
    capacity = Arena.blockSize
    block = .allocate(capacity: capacity)
  }

  deinit {
    clear()
    block.deallocate()
  }

  func exchange(with other: Arena) {
    swap(&block, &other.block)
    swap(&capacity, &other.capacity)
    swap(&used, &other.used)
    swap(&full, &other.full)
  }

  @inline(__always)
  func reserve(_ count: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity &- used >= count { return block + used }
    return reserveFresh(count)
  }

  @inline(never)
  private func reserveFresh(_ count: Int) -> UnsafeMutablePointer<UInt8> {
    full.append(block)
    capacity = Swift.max(Arena.blockSize, count)
    block = .allocate(capacity: capacity)
    used = 0
    return block
  }

  @inline(__always) func commit(_ count: Int) { used &+= count }

  @inline(__always)
  func copy(_ view: ByteView) -> UnsafePointer<UInt8> {
    let space = reserve(view.count)
    space.update(from: view.base, count: view.count)
    commit(view.count)
    return UnsafePointer(space)
  }

  @inline(__always)
  func clear() {
    used = 0
    if !full.isEmpty { freeFull() }
  }

  @inline(never)
  private func freeFull() {
    for memory in full { memory.deallocate() }
    full.removeAll(keepingCapacity: true)
  }
}
