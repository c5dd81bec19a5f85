// Bytes of a peer as a string that JSON and protobuf can hold.

enum ValidText {
  /// As they are where they are UTF-8; otherwise each byte that is no part of a character becomes `!`,
  /// as in Envoy.
  static func make(_ bytes: [UInt8]) -> [UInt8] {
    bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return [] }
      var out: [UInt8] = []
      out.reserveCapacity(buffer.count)
      var index = 0
      while index < buffer.count {
        let length = characterLength(base + index, buffer.count - index)
        if length == 0 {
          out.append(UInt8(ascii: "!"))
          index += 1
        } else {
          for offset in 0..<length { out.append(base[index + offset]) }
          index += length
        }
      }
      return out
    }
  }

  /// Bytes of the character that stands there; 0: none does.
  private static func characterLength(_ at: UnsafePointer<UInt8>, _ room: Int) -> Int {
    for length in 1...4 where length <= room && JSONText.isUTF8(ByteView(at, length)) { return length }
    return 0
  }
}
