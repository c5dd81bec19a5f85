// `x-request-id`: a random UUID (RFC 9562 version 4).

enum RequestID {
  static let length = 36
  /// Where Envoy writes why a request is traced: the digit of the version.
  static let traceReason = 14
  /// Version 4, as it was made: nobody has decided to trace it.
  static let notTraced = UInt8(ascii: "4")

  /// Writes `length` bytes.
  @inline(__always)
  static func write(_ random: inout RandomSource, to out: UnsafeMutablePointer<UInt8>) {
    let high = random.next() & 0xffff_ffff_ffff_0fff | 0x4000
    let low = random.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
    var index = 0
    var position = 0
    while position < 32 {
      if position == 8 || position == 12 || position == 16 || position == 20 {
        out[index] = UInt8(ascii: "-")
        index &+= 1
      }
      let word = position < 16 ? high : low
      let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 &- 4 &* (position & 15))) & 15
      out[index] = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
      index &+= 1
      position &+= 1
    }
  }
}
