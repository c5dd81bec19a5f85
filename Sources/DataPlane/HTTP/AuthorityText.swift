// Parts of an authority (RFC 3986 section 3.2).

extension ByteView {
  /// An authority without its `:port`; the colons of an address in brackets are its own.
  var withoutPort: ByteView {
    var index = count - 1
    while index >= 0, self[index] != UInt8(ascii: "]") {
      if self[index] == UInt8(ascii: ":") { return prefix(index) }
      index -= 1
    }
    return self
  }
}
