// Numbers of C from text, as their bits.

extension ScalarType {
  /// The bits of a decimal number, or of a hexadecimal one with `0x`. Nil: it is none, or does not fit.
  func bits(_ text: String) -> UInt64? {
    Array(text.utf8).withUnsafeBufferPointer { bits($0) }
  }

  /// The same of bytes; nothing is allocated for whole numbers.
  func bits(_ text: UnsafeBufferPointer<UInt8>) -> UInt64? {
    if isFloating { return floatingBits(text) }
    var index = 0
    var isNegative = false
    if index < text.count, text[index] == UInt8(ascii: "-") {
      isNegative = true
      index += 1
    }
    let isHexadecimal =
      text.count >= index + 3 && text[index] == UInt8(ascii: "0")
      && text[index + 1] | 0x20 == UInt8(ascii: "x")
    if isHexadecimal { index += 2 }
    guard index < text.count else { return nil }
    var magnitude: UInt64 = 0
    while index < text.count {
      guard let digit = Self.digit(text[index], isHexadecimal) else { return nil }
      let (product, overflowed) = magnitude.multipliedReportingOverflow(by: isHexadecimal ? 16 : 10)
      let (sum, carried) = product.addingReportingOverflow(UInt64(digit))
      if overflowed || carried { return nil }
      magnitude = sum
      index += 1
    }
    return fitted(magnitude, isNegative)
  }

  private static func digit(_ byte: UInt8, _ isHexadecimal: Bool) -> UInt8? {
    if (0x30...0x39).contains(byte) { return byte - 0x30 }
    let letter = byte | 0x20
    return isHexadecimal && (0x61...0x66).contains(letter) ? letter - 0x57 : nil
  }

  private func fitted(_ magnitude: UInt64, _ isNegative: Bool) -> UInt64? {
    let width = UInt64(size * 8)
    if isSigned {
      let limit = UInt64(1) << (width - 1)
      guard isNegative ? magnitude <= limit : magnitude < limit else { return nil }
      return isNegative ? 0 &- magnitude : magnitude
    }
    if isNegative, magnitude > 0 { return nil }
    return width == 64 || magnitude < UInt64(1) << width ? magnitude : nil
  }

  private func floatingBits(_ text: UnsafeBufferPointer<UInt8>) -> UInt64? {
    // Swift's numbers, of which C's other spellings (inf, nan, 0x1p3) are none here.
    guard text.allSatisfy({ (0x30...0x39).contains($0) || [0x2b, 0x2d, 0x2e, 0x45, 0x65].contains($0) }),
      let number = Double(String(decoding: text, as: UTF8.self)), number.isFinite
    else { return nil }
    if self == .double { return number.bitPattern }
    let narrow = Float(number)
    return narrow.isFinite ? UInt64(narrow.bitPattern) : nil
  }
}
