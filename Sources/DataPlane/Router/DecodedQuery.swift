// Query parameters as rate limit rules see them: with their escapes decoded (RFC 3986 section 2.1), as
// Envoy decodes them there. A `%` that begins no escape stands for itself, and `+` is a plus.

struct DecodedQuery {
  private let text: ByteView

  /// Of a request's path.
  init(_ path: ByteView) {
    text = path.firstIndex(of: UInt8(ascii: "?")).map { path.dropFirst($0 + 1) } ?? MessageHead.empty
  }

  /// Writes the first value of that name behind what `out` has. False: there is none, and nothing is
  /// written.
  func first(_ name: [UInt8], to out: TextBuffer) -> Bool {
    var rest = text
    while rest.count > 0 {
      let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.count
      let parameter = rest.prefix(end)
      let equals = parameter.firstIndex(of: UInt8(ascii: "=")) ?? parameter.count
      if DecodedQuery.isName(parameter.prefix(equals), name, out) {
        let value = parameter.dropFirst(Swift.min(equals + 1, parameter.count))
        DecodedQuery.decode(value, to: out)
        return true
      }
      rest = end < rest.count ? rest.dropFirst(end + 1) : rest.dropFirst(end)
    }
    return false
  }

  private static func isName(_ raw: ByteView, _ name: [UInt8], _ out: TextBuffer) -> Bool {
    guard raw.firstIndex(of: UInt8(ascii: "%")) != nil else { return raw == name }
    let start = out.count
    defer { out.truncate(to: start) }
    decode(raw, to: out)
    return out.view(from: start) == name
  }

  static func decode(_ raw: ByteView, to out: TextBuffer) {
    var index = 0
    while index < raw.count {
      let byte = raw[index]
      if byte == UInt8(ascii: "%"), index + 2 < raw.count, let high = digit(raw[index + 1]),
        let low = digit(raw[index + 2])
      {
        out.append(high << 4 | low)
        index += 3
      } else {
        out.append(byte)
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
