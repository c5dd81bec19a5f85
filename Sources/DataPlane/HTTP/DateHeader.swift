// The value of `date` (RFC 9110 section 5.6.7), made once a second.
import CMartletSystem

struct DateHeader {
  static let length = 29
  private var madeFor: Int64 = -1
  private var nextLook: UInt64 = 0
  private var text: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// Writes the 29 bytes. `now` is the reactor's clock: the wall clock is read only when 100 ms
  /// have passed since the last look.
  @inline(__always)
  mutating func write(to out: UnsafeMutablePointer<UInt8>, now: UInt64) {
    if now >= nextLook { refresh(now) }
    withUnsafeBytes(of: &text) { bytes in
      UnsafeMutableRawPointer(out).copyMemory(
        from: bytes.baseAddress.unsafelyUnwrapped, byteCount: DateHeader.length)
    }
  }

  @inline(never)
  private mutating func refresh(_ now: UInt64) {
    nextLook = now + 100_000_000
    let seconds = martlet_wall_seconds()
    if seconds == madeFor { return }
    madeFor = seconds
    withUnsafeMutableBytes(of: &text) { DateHeader.format(seconds, into: $0) }
  }

  static func format(_ seconds: Int64, into out: UnsafeMutableRawBufferPointer) {
    var clock = time_t(seconds)
    var parts = tm()
    gmtime_r(&clock, &parts)
    let days: StaticString = "SunMonTueWedThuFriSat"
    let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
    var index = 0
    func put(_ byte: UInt8) {
      out[index] = byte
      index += 1
    }
    func put(_ text: StaticString, _ which: Int32) {
      for offset in 0..<3 { put(text.utf8Start[Int(which) * 3 + offset]) }
    }
    func two(_ value: Int32) {
      put(0x30 + UInt8(value / 10 % 10))
      put(0x30 + UInt8(value % 10))
    }
    put(days, parts.tm_wday)
    put(0x2c)
    put(0x20)
    two(parts.tm_mday)
    put(0x20)
    put(months, parts.tm_mon)
    put(0x20)
    let year = parts.tm_year + 1900
    two(year / 100)
    two(year % 100)
    put(0x20)
    two(parts.tm_hour)
    put(0x3a)
    two(parts.tm_min)
    put(0x3a)
    two(parts.tm_sec)
    put(0x20)
    put(0x47)
    put(0x4d)
    put(0x54)
  }
}
