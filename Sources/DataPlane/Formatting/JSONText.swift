// Strings in JSON (RFC 8259 section 7). Bytes that are no UTF-8 are written as if they were
// Latin-1, as Envoy does: a line is valid JSON whatever a client sends.

enum JSONText {
  /// Escapes what stands in the buffer from `start` on. Mostly nothing needs it.
  static func escape(_ buffer: TextBuffer, from start: Int) {
    var needs = false
    var high = false
    var index = start
    let base = buffer.base
    while index < buffer.count {
      let byte = base[index]
      if byte < 0x20 || byte == 0x22 || byte == 0x5c || byte == 0x7f { needs = true }
      if byte >= 0x80 { high = true }
      index &+= 1
    }
    if !needs && !high { return }
    let isText = !high || isUTF8(buffer.view(from: start))
    if needs || !isText { rewrite(buffer, from: start, isText: isText) }
  }

  static func isUTF8(_ view: ByteView) -> Bool {
    var index = 0
    while index < view.count {
      let byte = view[index]
      let length = byte < 0x80 ? 1 : byte < 0xc2 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 0
      if length == 0 || index + length > view.count { return false }
      for offset in 1..<Swift.max(length, 1) where view[index + offset] & 0xc0 != 0x80 { return false }
      if length >= 3 {
        // Overlong forms, surrogates, and what is above U+10FFFF.
        let second = view[index + 1]
        switch byte {
        case 0xe0: if second < 0xa0 { return false }
        case 0xed: if second > 0x9f { return false }
        case 0xf0: if second < 0x90 { return false }
        case 0xf4: if second > 0x8f { return false }
        default: break
        }
      }
      index += length
    }
    return true
  }

  /// From the end to the begin, so that nothing is overwritten before it is read.
  private static func rewrite(_ buffer: TextBuffer, from start: Int, isText: Bool) {
    var extra = 0
    var index = start
    while index < buffer.count {
      extra += width(buffer.base[index], isText) - 1
      index += 1
    }
    let end = buffer.count
    _ = buffer.reserve(extra)
    buffer.commit(extra)
    let base = buffer.base
    var out = buffer.count
    index = end
    while index > start {
      index -= 1
      let byte = base[index]
      let length = width(byte, isText)
      out -= length
      switch length {
      case 1: base[out] = byte
      case 2:
        base[out] = UInt8(ascii: "\\")
        base[out + 1] = short(byte)
      default:
        let prefix: StaticString = "\\u00"
        (base + out).update(from: prefix.utf8Start, count: 4)
        base[out + 4] = digit(byte >> 4)
        base[out + 5] = digit(byte & 15)
      }
    }
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

  private static func width(_ byte: UInt8, _ isText: Bool) -> Int {
    if byte >= 0x80 { return isText ? 1 : 6 }
    if short(byte) != 0 { return 2 }
    return byte < 0x20 || byte == 0x7f ? 6 : 1
  }

  /// The letter behind a backslash; 0: there is none.
  private static func short(_ byte: UInt8) -> UInt8 {
    switch byte {
    case 0x22, 0x5c: byte
    case 0x08: UInt8(ascii: "b")
    case 0x0c: UInt8(ascii: "f")
    case 0x0a: UInt8(ascii: "n")
    case 0x0d: UInt8(ascii: "r")
    case 0x09: UInt8(ascii: "t")
    default: 0
    }
  }
}
