// How names of fields are written (`header_key_format`): in lower case, `Like-This`, or as the other
// side of the proxy wrote them. Case changes no length, so a head is written in lower case as ever
// and gone over once where somebody wants it otherwise; where nobody does, that is one check.

enum HeaderNameForm {
  /// Goes over a head that ends at `end`, the empty line included.
  @inline(never)
  static func apply(
    _ head: MessageHead, properOthers: Bool, _ start: UnsafeMutablePointer<UInt8>,
    _ end: UnsafeMutablePointer<UInt8>
  ) {
    let original = head.originalText
    let proper = original.count > 0 ? head.originalOthersProper : properOthers
    forEachName(ByteView(UnsafePointer(start), end - start)) { offset, length in
      let name = start + offset
      if original.count > 0, let written = find(ByteView(UnsafePointer(name), length), in: original) {
        name.update(from: written, count: length)
      } else if proper {
        capitalize(name, length)
      }
    }
  }

  /// The first letter, and each behind a byte that is neither letter nor digit.
  static func capitalize(_ name: UnsafeMutablePointer<UInt8>, _ length: Int) {
    var begins = true
    for index in 0..<length {
      let byte = name[index]
      if begins, byte &- 0x61 < 26 { name[index] = byte & 0xdf }
      begins = !(byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26)
    }
  }

  /// The name as it stands in the first field of this name. `name` is in lower case.
  private static func find(_ name: ByteView, in text: ByteView) -> UnsafePointer<UInt8>? {
    var found: UnsafePointer<UInt8>?
    forEachName(text) { offset, length in
      guard found == nil, length == name.count else { return }
      if ByteView(text.base + offset, length).matchesLower(name.base) { found = text.base + offset }
    }
    return found
  }

  /// Names of the fields behind the first line.
  private static func forEachName(_ text: ByteView, _ body: (_ offset: Int, _ length: Int) -> Void) {
    var position = 0
    var isFirst = true
    while let lineFeed = text.dropFirst(position).firstIndex(of: 0x0a) {
      if !isFirst, let colon = text.dropFirst(position).prefix(lineFeed).firstIndex(of: 0x3a) {
        body(position, colon)
      }
      // Empty lines may stand before a request line.
      if lineFeed > 1 { isFirst = false }
      position += lineFeed + 1
    }
  }

  /// The reason phrase of a status line; empty where it has none.
  static func reason(of head: ByteView) -> ByteView {
    guard head.count > 13, let end = head.firstIndex(of: 0x0d), end > 13 else { return MessageHead.empty }
    return ByteView(head.base + 13, end - 13)
  }
}

/// Keeps the bytes of a head as they came: the parser turns names to lower case in place. One of a
/// connection whose names are to be kept.
final class HeadRecorder {
  private let othersProper: Bool
  private let keepsReason: Bool
  private var bytes: UnsafeMutablePointer<UInt8>
  private var capacity = 1024
  private var count = 0

  init(othersProper: Bool, keepsReason: Bool) {
    self.othersProper = othersProper
    self.keepsReason = keepsReason
    bytes = .allocate(capacity: capacity)
  }

  deinit { bytes.deallocate() }

  func reset() { count = 0 }

  /// Before the parser sees the bytes. `base` is the start of the head.
  func record(_ base: UnsafeMutablePointer<UInt8>, _ available: Int, limit: Int) {
    let end = Swift.min(available, limit)
    guard end > count else { return }
    if end > capacity { grow(to: end) }
    (bytes + count).update(from: base + count, count: end - count)
    count = end
  }

  private func grow(to size: Int) {
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: size * 2)
    larger.update(from: bytes, count: count)
    bytes.deallocate()
    bytes = larger
    capacity = size * 2
  }

  /// The head is whole: its text lives as long as its fields.
  func finish(_ head: MessageHead, length: Int) {
    let length = Swift.min(length, count)
    let copy = head.headers.scratch(length)
    copy.update(from: bytes, count: length)
    head.originalText = ByteView(UnsafePointer(copy), length)
    head.originalOthersProper = othersProper
    head.reason = keepsReason ? HeaderNameForm.reason(of: head.originalText) : MessageHead.empty
    count = 0
  }
}
