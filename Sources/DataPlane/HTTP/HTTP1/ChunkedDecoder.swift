// The chunked transfer coding, reading side (RFC 9112 section 7.1): a pure state machine over
// bytes as they lie in the read buffer. It tells where data is; it never copies it.
//
// Limits: a size has at most 15 hexadecimal digits (2^60 bytes); extensions, which nobody may
// depend on, at most 256 bytes a chunk and 8 KiB a body, so that a peer cannot make us work for
// nothing. Lines end in CRLF only.

struct ChunkedDecoder {
  enum Event: Equatable {
    /// All bytes are consumed; more are needed.
    case needMore
    /// `count` bytes of data at `offset`.
    case data(offset: Int, count: Int)
    /// The last chunk has been read: the trailer section begins at the consumed position.
    case trailers
    case failed
  }

  private enum State {
    case sizeStart, size, extension_, sizeLineFeed, data, dataReturn, dataLineFeed, finished
  }

  private var state = State.sizeStart
  private var remaining: UInt64 = 0
  private var digits = 0
  private var extensionBytes = 0
  private var extensionTotal = 0

  private static let maxDigits = 15
  private static let maxExtension = 256
  private static let maxExtensionTotal = 8192

  init() {}

  /// Looks at `count` bytes at `base`; `consumed` says how many are done with, data included.
  mutating func next(
    _ base: UnsafePointer<UInt8>, _ count: Int, consumed: inout Int
  ) -> Event {
    var index = 0
    while index < count {
      if state == .data {
        let length = Int(Swift.min(remaining, UInt64(count - index)))
        remaining -= UInt64(length)
        if remaining == 0 { state = .dataReturn }
        consumed = index + length
        return .data(offset: index, count: length)
      }
      let byte = base[index]
      index += 1
      if !step(byte) {
        consumed = index
        return .failed
      }
      if state == .finished {
        consumed = index
        return .trailers
      }
    }
    consumed = index
    return .needMore
  }

  /// One byte of framing. False: malformed.
  private mutating func step(_ byte: UInt8) -> Bool {
    switch state {
    case .sizeStart:
      guard let digit = ChunkedDecoder.hexDigit(byte) else { return false }
      remaining = UInt64(digit)
      digits = 1
      extensionBytes = 0
      state = .size
    case .size:
      if let digit = ChunkedDecoder.hexDigit(byte) {
        digits += 1
        if digits > ChunkedDecoder.maxDigits { return false }
        remaining = remaining << 4 | UInt64(digit)
      } else if byte == 0x0d {
        state = .sizeLineFeed
      } else if byte == UInt8(ascii: ";") {
        state = .extension_
      } else {
        return false
      }
    case .extension_:
      if byte == 0x0d {
        state = .sizeLineFeed
        return true
      }
      extensionBytes += 1
      extensionTotal += 1
      if byte < 0x20 && byte != 0x09 || byte == 0x7f { return false }
      return extensionBytes <= ChunkedDecoder.maxExtension
        && extensionTotal <= ChunkedDecoder.maxExtensionTotal
    case .sizeLineFeed:
      if byte != 0x0a { return false }
      state = remaining == 0 ? .finished : .data
    case .dataReturn:
      if byte != 0x0d { return false }
      state = .dataLineFeed
    case .dataLineFeed:
      if byte != 0x0a { return false }
      state = .sizeStart
    case .data, .finished:
      return false
    }
    return true
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    if byte &- 0x30 < 10 { return byte &- 0x30 }
    let lower = byte | 0x20
    if lower &- 0x61 < 6 { return lower &- 0x61 &+ 10 }
    return nil
  }
}
