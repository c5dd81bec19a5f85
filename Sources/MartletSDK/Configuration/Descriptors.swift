// The protobuf descriptors that a plugin shows to the host.

/// A serialized `google.protobuf.FileDescriptorSet` that defines a filter's messages with all that
/// they import. With it the host checks configuration files itself, with line and path in every
/// finding, and hands over protobuf always.
public struct Descriptors: Sendable {
  let bytes: [UInt8]

  /// There are none: configurations are handed over as JSON.
  public static let none = Descriptors(bytes: [])

  /// The serialized set.
  public init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The serialized set in base64; what is no letter of base64 (line ends) is skipped. For sets that
  /// a build step writes into a source file.
  public init(base64 text: StaticString) {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(text.utf8CodeUnitCount / 4 * 3)
    var bits: UInt32 = 0
    var count = 0
    text.withUTF8Buffer { letters in
      for letter in letters {
        guard let value = Descriptors.value(letter) else { continue }
        bits = bits << 6 | value
        count += 6
        if count >= 8 {
          count -= 8
          decoded.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
      }
    }
    bytes = decoded
  }

  private static func value(_ letter: UInt8) -> UInt32? {
    switch letter {
    case 0x41...0x5A: UInt32(letter) - 0x41
    case 0x61...0x7A: UInt32(letter) - 0x61 + 26
    case 0x30...0x39: UInt32(letter) - 0x30 + 52
    case 0x2B: 62
    case 0x2F: 63
    default: nil
    }
  }
}
