// Small operations on raw bytes that several rooms need.
import CMartletSystem

@inline(__always)
func bytesEqual(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ count: Int) -> Bool {
  memcmp(a, b, count) == 0
}

/// Bytes that are read while a callback runs. Borrowed: whoever made it says for how long.
struct ByteView {
  let base: UnsafePointer<UInt8>
  let count: Int

  @inline(__always) init(_ base: UnsafePointer<UInt8>, _ count: Int) {
    self.base = base
    self.count = count
  }

  @inline(__always) subscript(_ index: Int) -> UInt8 { base[index] }

  static func == (view: ByteView, text: StaticString) -> Bool {
    view.count == text.utf8CodeUnitCount && bytesEqual(view.base, text.utf8Start, view.count)
  }

  @inline(__always)
  static func == (view: ByteView, other: ByteView) -> Bool {
    view.count == other.count && bytesEqual(view.base, other.base, view.count)
  }

  static func == (view: ByteView, bytes: [UInt8]) -> Bool {
    view.count == bytes.count && view.hasPrefix(bytes)
  }

  /// ASCII case ignored; `text` is in lower case.
  func equalsIgnoringCase(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    return matchesLower(text.utf8Start)
  }

  /// `lower` is in lower case and at least `count` long.
  func matchesLower(_ lower: UnsafePointer<UInt8>) -> Bool {
    for index in 0..<count where asciiLowercase(base[index]) != lower[index] { return false }
    return true
  }

  func hasPrefix(_ prefix: [UInt8]) -> Bool {
    guard count >= prefix.count else { return false }
    return prefix.withUnsafeBufferPointer { other in
      guard let start = other.baseAddress else { return true }
      return bytesEqual(base, start, other.count)
    }
  }

  func dropFirst(_ length: Int) -> ByteView { ByteView(base + length, count - length) }
  func prefix(_ length: Int) -> ByteView { ByteView(base, length) }

  func firstIndex(of byte: UInt8) -> Int? {
    guard count > 0, let found = memchr(base, Int32(byte), count) else { return nil }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
  }

  /// A decimal number without sign; nil for anything else and for more than 19 digits.
  var decimal: UInt64? {
    guard count > 0, count <= 19 else { return nil }
    var value: UInt64 = 0
    for index in 0..<count {
      let digit = base[index] &- 0x30
      if digit > 9 { return nil }
      value = value * 10 + UInt64(digit)
    }
    return value
  }

  /// A decimal number that may be negative.
  var signedDecimal: Int64? {
    if count > 1, base[0] == UInt8(ascii: "-") {
      guard let magnitude = dropFirst(1).decimal, magnitude <= UInt64(Int64.max) else { return nil }
      return -Int64(magnitude)
    }
    guard let magnitude = decimal, magnitude <= UInt64(Int64.max) else { return nil }
    return Int64(magnitude)
  }

  var string: String {
    String(decoding: UnsafeBufferPointer(start: base, count: count), as: UTF8.self)
  }
  var array: [UInt8] { [UInt8](UnsafeBufferPointer(start: base, count: count)) }
}

@inline(__always)
func asciiLowercase(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

/// Writes `value` in decimal and returns the number of digits, at most 20.
@inline(__always)
func writeDecimal(_ value: UInt64, to out: UnsafeMutablePointer<UInt8>) -> Int {
  var digits = 1
  var limit: UInt64 = 10
  while digits < 20, value >= limit {
    digits += 1
    let (next, overflow) = limit.multipliedReportingOverflow(by: 10)
    if overflow { break }
    limit = next
  }
  var rest = value
  var index = digits
  while index > 0 {
    index -= 1
    out[index] = 0x30 &+ UInt8(rest % 10)
    rest /= 10
  }
  return digits
}

/// Writes `value` in lower-case hexadecimal and returns the number of digits, at most 16.
@inline(__always)
func writeHexadecimal(_ value: UInt64, to out: UnsafeMutablePointer<UInt8>) -> Int {
  let digits = Swift.max(1, (67 - value.leadingZeroBitCount) / 4)
  var rest = value
  var index = digits
  while index > 0 {
    index -= 1
    let digit = UInt8(rest & 15)
    out[index] = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
    rest >>= 4
  }
  return digits
}

extension [UInt8] {
  /// A view of the array's bytes, for the call.
  @inline(__always)
  func withView<Result>(_ body: (ByteView) -> Result) -> Result {
    withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else {
        let nothing: StaticString = ""
        return body(ByteView(nothing.utf8Start, 0))
      }
      return body(ByteView(base, buffer.count))
    }
  }
}
