// Bytes as text.

extension Martlet_ForeignFunction_V1_Encoding {
  func append(_ bytes: UnsafeRawBufferPointer, to out: inout [UInt8]) {
    switch self {
    case .text, .UNRECOGNIZED: out.append(contentsOf: bytes)
    case .hex:
      for byte in bytes {
        out.append(Self.digit(byte >> 4))
        out.append(Self.digit(byte & 15))
      }
    case .base64: Self.appendBase64(bytes, "+/", padded: true, to: &out)
    case .base64URL: Self.appendBase64(bytes, "-_", padded: false, to: &out)
    }
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

  private static func appendBase64(
    _ bytes: UnsafeRawBufferPointer, _ last: StaticString, padded: Bool, to out: inout [UInt8]
  ) {
    func letter(_ value: UInt8) -> UInt8 {
      switch value {
      case 0..<26: 0x41 + value
      case 26..<52: 0x61 + value - 26
      case 52..<62: 0x30 + value - 52
      default: last.utf8Start[Int(value) - 62]
      }
    }
    var index = 0
    while index < bytes.count {
      let left = min(3, bytes.count - index)
      let first = bytes[index]
      let second = left > 1 ? bytes[index + 1] : 0
      let third = left > 2 ? bytes[index + 2] : 0
      out.append(letter(first >> 2))
      out.append(letter((first & 3) << 4 | second >> 4))
      if left > 1 { out.append(letter((second & 15) << 2 | third >> 6)) }
      if left > 2 { out.append(letter(third & 63)) }
      if padded { for _ in left..<3 { out.append(UInt8(ascii: "=")) } }
      index += 3
    }
  }
}
