// Which bytes may stand where (RFC 9110 section 5.6.2 and 5.5, RFC 3986).
import CMartletScan

enum HTTP1Characters {
  /// The lower-case form of a token character; 0 for any other byte.
  nonisolated(unsafe) static let tokenLowercase: UnsafePointer<UInt8> = {
    let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    table.initialize(repeating: 0, count: 256)
    for byte in UInt8(ascii: "0")...UInt8(ascii: "9") { table[Int(byte)] = byte }
    for byte in UInt8(ascii: "a")...UInt8(ascii: "z") { table[Int(byte)] = byte }
    for byte in UInt8(ascii: "A")...UInt8(ascii: "Z") { table[Int(byte)] = byte | 0x20 }
    for byte in "!#$%&'*+-.^_`|~".utf8 { table[Int(byte)] = byte }
    return UnsafePointer(table)
  }()

  /// Field values: no control character but HTAB. Bytes above 0x7f pass (obs-text).
  @inline(__always)
  static func isValidValue(_ value: ByteView) -> Bool {
    martlet_is_field_value(value.base, value.count)
  }

  /// Request targets: visible ASCII without `#`, which no client may send (RFC 9112 section 3.2).
  static func isValidTarget(_ target: ByteView) -> Bool {
    for index in 0..<target.count {
      let byte = target[index]
      if byte <= 0x20 || byte >= 0x7f || byte == UInt8(ascii: "#") { return false }
    }
    return target.count > 0
  }

  /// `uri-host [":" port]` (RFC 3986 section 3.2.2), without user information. Empty is not valid.
  static func isValidAuthority(_ host: ByteView) -> Bool {
    guard host.count > 0 else { return false }
    var index = 0
    if host[0] == UInt8(ascii: "[") {
      index = 1
      while index < host.count, host[index] != UInt8(ascii: "]") {
        let byte = asciiLowercase(host[index])
        let isHex = byte &- 0x30 < 10 || byte &- 0x61 < 6
        guard isHex || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".") else { return false }
        index += 1
      }
      guard index < host.count, index > 1 else { return false }
      index += 1
    } else {
      while index < host.count, host[index] != UInt8(ascii: ":") {
        guard isRegisteredNameByte(host[index]) else { return false }
        index += 1
      }
      guard index > 0 else { return false }
    }
    if index == host.count { return true }
    guard host[index] == UInt8(ascii: ":") else { return false }
    index += 1
    let digits = index
    while index < host.count, host[index] &- 0x30 < 10 { index += 1 }
    guard index == host.count, (1...5).contains(index - digits) else { return false }
    return (host.dropFirst(digits).decimal ?? .max) <= 65_535
  }

  /// unreserved, pct-encoded's percent sign, and sub-delims without the comma: two Host fields that
  /// somebody has joined must not pass for one host.
  private static func isRegisteredNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "%"),
      UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"),
      UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"),
      UInt8(ascii: ";"), UInt8(ascii: "="):
      true
    default: false
    }
  }
}
