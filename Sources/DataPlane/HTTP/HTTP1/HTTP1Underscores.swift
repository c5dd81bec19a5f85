// Header names with underscores (`headers_with_underscores_action`). CGI and what came after it turn
// dashes into underscores, so that `x_user` may pass for `x-user` behind a proxy that has checked
// the latter.

enum HTTP1Underscores {
  private static func has(_ name: ByteView) -> Bool { name.firstIndex(of: UInt8(ascii: "_")) != nil }

  static func any(in headers: HeaderMap) -> Bool {
    for index in 0..<headers.count where has(headers.entries[index].nameView) { return true }
    return false
  }

  /// Removes the fields and returns how many there were.
  static func drop(from headers: HeaderMap) -> UInt64 {
    var dropped: UInt64 = 0
    var index = 0
    while index < headers.count {
      if has(headers.entries[index].nameView) {
        headers.remove(at: index)
        dropped += 1
      } else {
        index += 1
      }
    }
    return dropped
  }
}
