// The query of a path, changed parameter by parameter. What no mutation names stays as it came, byte
// for byte and in its place: decoding and encoding it again, as Envoy does, would turn `a%2Fb%26c`
// into `a/b&c`, another query.
import MartletSDK

struct QueryParameters {
  /// The path without its query.
  private let beforeQuery: [UInt8]
  /// Between the ampersands, as they came or encoded.
  private var segments: [[UInt8]]
  private(set) var isChanged = false

  init(_ path: BytesView) {
    guard let mark = path.firstIndex(of: UInt8(ascii: "?")) else {
      beforeQuery = [UInt8](path)
      segments = []
      return
    }
    beforeQuery = [UInt8](path.slice(0..<mark))
    let query = [UInt8](path.slice(mark + 1..<path.count))
    segments =
      query.isEmpty
      ? []
      : query.split(
        separator: UInt8(ascii: "&"), omittingEmptySubsequences: false
      ).map { Array($0) }
  }

  /// The path with the query as it is now.
  var path: [UInt8] {
    if segments.isEmpty { return beforeQuery }
    return beforeQuery + [UInt8(ascii: "?")] + segments.joined(separator: [UInt8(ascii: "&")])
  }

  func contains(_ key: BytesView) -> Bool {
    for segment in segments where Self.isNamed(segment, key) { return true }
    return false
  }

  mutating func remove(_ key: BytesView) {
    for index in segments.indices.reversed() where Self.isNamed(segments[index], key) {
      segments.remove(at: index)
      isChanged = true
    }
  }

  mutating func add(_ key: BytesView, _ value: BytesView) {
    segments.append(Self.encode(key) + [UInt8(ascii: "=")] + Self.encode(value))
    isChanged = true
  }

  /// In the place of the first; the others of the name go.
  mutating func overwrite(_ key: BytesView, _ value: BytesView, adds: Bool) {
    var place: Int?
    for index in segments.indices.reversed() where Self.isNamed(segments[index], key) {
      if let place { segments.remove(at: place) }
      place = index
    }
    if let place {
      segments[place] = Self.encode(key) + [UInt8(ascii: "=")] + Self.encode(value)
      isChanged = true
    } else if adds {
      add(key, value)
    }
  }

  /// Whether the part before the equals sign, decoded, is `key`.
  private static func isNamed(_ segment: [UInt8], _ key: BytesView) -> Bool {
    var index = 0
    var matched = 0
    while index < segment.count, segment[index] != UInt8(ascii: "=") {
      var byte = segment[index]
      var width = 1
      if byte == UInt8(ascii: "%"), index + 2 < segment.count,
        let high = digit(segment[index + 1]), let low = digit(segment[index + 2])
      {
        byte = high << 4 | low
        width = 3
      }
      guard matched < key.count, key[matched] == byte else { return false }
      matched += 1
      index += width
    }
    return matched == key.count
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  /// Everything but letters, digits and `-._*` becomes %XX, as in Envoy.
  private static func encode(_ bytes: BytesView) -> [UInt8] {
    var encoded: [UInt8] = []
    encoded.reserveCapacity(bytes.count)
    let digits = Array("0123456789ABCDEF".utf8)
    for index in 0..<bytes.count {
      let byte = bytes[index]
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "*"):
        encoded.append(byte)
      default:
        encoded.append(UInt8(ascii: "%"))
        encoded.append(digits[Int(byte >> 4)])
        encoded.append(digits[Int(byte & 15)])
      }
    }
    return encoded
  }
}
