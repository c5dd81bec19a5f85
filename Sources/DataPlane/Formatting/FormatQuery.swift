// The query of a request as formats show it: `%XX` decoded where asked for, `+` left alone.

enum FormatQuery {
  private static func query(of head: MessageHead?) -> ByteView? {
    guard let head, let mark = head.path.firstIndex(of: UInt8(ascii: "?")) else { return nil }
    let rest = head.path.dropFirst(mark + 1)
    return rest.prefix(rest.firstIndex(of: UInt8(ascii: "#")) ?? rest.count)
  }

  /// The whole query, without its question mark.
  static func all(of head: MessageHead?, decoded: Bool, to out: TextBuffer) -> Bool {
    guard let query = query(of: head), query.count > 0 else { return false }
    if decoded { decode(query, to: out) } else { out.append(query) }
    return true
  }

  /// The value of the first parameter with this name.
  static func parameter(_ name: ByteView, of head: MessageHead?, to out: TextBuffer) -> Bool {
    guard var rest = query(of: head) else { return false }
    while rest.count > 0 {
      let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.count
      let pair = rest.prefix(end)
      let equals = pair.firstIndex(of: UInt8(ascii: "="))
      let start = out.count
      decode(pair.prefix(equals ?? pair.count), to: out)
      let matches = out.count - start == name.count && bytesEqual(out.base + start, name.base, name.count)
      out.truncate(to: start)
      if matches {
        if let equals { decode(pair.dropFirst(equals + 1), to: out) }
        return true
      }
      rest = rest.dropFirst(Swift.min(end + 1, rest.count))
    }
    return false
  }

  private static func decode(_ text: ByteView, to out: TextBuffer) {
    var index = 0
    while index < text.count {
      if text[index] == UInt8(ascii: "%"), index + 2 < text.count,
        let high = digit(text[index + 1]), let low = digit(text[index + 2])
      {
        out.append(high << 4 | low)
        index += 3
      } else {
        out.append(text[index])
        index += 1
      }
    }
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
