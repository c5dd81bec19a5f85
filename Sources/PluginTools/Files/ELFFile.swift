// What the dynamic part of a library says (System V ABI, chapter 5): its symbols, what it needs, its
// machine. Every offset is checked: the file may be anything.

/// A 64-bit little-endian ELF file, read into memory.
struct ELFFile {
  private let bytes: [UInt8]
  private var sections: [Section] = []

  private struct Section {
    var type: Int
    var offset: Int
    var size: Int
    var link: Int
    var entrySize: Int
  }

  /// Nil: not a 64-bit little-endian ELF file with a whole table of sections.
  init?(_ bytes: [UInt8]) {
    self.bytes = bytes
    guard bytes.count >= 64, bytes[0] == 0x7f, bytes[1...3].elementsEqual("ELF".utf8), bytes[4] == 2,
      bytes[5] == 1, let table = number(40, 8), let size = number(58, 2), let count = number(60, 2),
      size >= 64, count < 4096
    else { return nil }
    for index in 0..<count {
      let at = table + index * size
      guard let type = number(at + 4, 4), let offset = number(at + 24, 8), let length = number(at + 32, 8),
        let link = number(at + 40, 4), let entry = number(at + 56, 8)
      else { return nil }
      sections.append(Section(type: type, offset: offset, size: length, link: link, entrySize: entry))
    }
  }

  private func number(_ offset: Int, _ size: Int) -> Int? {
    guard offset >= 0, offset <= bytes.count - size else { return nil }
    var value: UInt64 = 0
    for index in (0..<size).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
    return Int(exactly: value)
  }

  private func text(_ table: Section, _ offset: Int) -> String? {
    let start = table.offset + offset
    guard offset >= 0, offset < table.size, start >= 0, start < bytes.count else { return nil }
    guard let end = bytes[start...].firstIndex(of: 0) else { return nil }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  private func linked(_ section: Section) -> Section? {
    section.link < sections.count ? sections[section.link] : nil
  }

  /// The machine that its code is for, as people name it.
  var machine: String {
    switch number(18, 2) ?? 0 {
    case 3: "x86"
    case 40: "ARM"
    case 62: "x86-64"
    case 183: "AArch64"
    case 243: "RISC-V"
    case let other: "machine \(other)"
    }
  }

  /// Names that other libraries can bind to (defined, global or weak), sorted. What linkers put there
  /// themselves is left out.
  var exportedSymbols: [String] {
    let linkers: Set<String> = ["_init", "_fini", "_edata", "_end", "__bss_start"]
    var names = Set<String>()
    for section in sections where section.type == 11 {
      guard let strings = linked(section), section.entrySize >= 24 else { continue }
      for index in 0..<(section.size / section.entrySize) {
        let at = section.offset + index * section.entrySize
        guard let name = number(at, 4), let info = number(at + 4, 1), let other = number(at + 5, 1),
          let defined = number(at + 6, 2)
        else { break }
        let binding = info >> 4
        let isVisible = other & 3 == 0 || other & 3 == 3
        guard defined != 0, binding == 1 || binding == 2 || binding == 10, isVisible,
          let text = text(strings, name), !text.isEmpty, !linkers.contains(text)
        else { continue }
        names.insert(text)
      }
    }
    return names.sorted()
  }

  /// Libraries that are loaded with it (`DT_NEEDED`), in its order.
  var neededLibraries: [String] {
    var names: [String] = []
    for section in sections where section.type == 6 {
      guard let strings = linked(section) else { continue }
      for index in 0..<(section.size / 16) {
        guard let tag = number(section.offset + index * 16, 8),
          let value = number(section.offset + index * 16 + 8, 8)
        else { break }
        if tag == 0 { break }
        if tag == 1, let name = text(strings, value) { names.append(name) }
      }
    }
    return names
  }
}
