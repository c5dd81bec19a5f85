// The form of the host that virtual hosts are chosen by: without the dot at the end of a name that
// is written in full, without its port.

enum HostNormalization {
  /// Without a dot at the end of the name, be it in front of a port. A host that is nothing else
  /// stays.
  static func withoutDot(_ host: ByteView, scratch: (Int) -> UnsafeMutablePointer<UInt8>) -> ByteView {
    guard host.count > 1 else { return host }
    if host[host.count - 1] == UInt8(ascii: ".") { return host.prefix(host.count - 1) }
    var index = host.count - 1
    while index > 0, host[index] != UInt8(ascii: ".") { index -= 1 }
    guard index > 0, host[index + 1] == UInt8(ascii: ":") else { return host }
    let made = scratch(host.count - 1)
    made.update(from: host.base, count: index)
    (made + index).update(from: host.base + index + 1, count: host.count - index - 1)
    return ByteView(UnsafePointer(made), host.count - 1)
  }

  /// Where the port begins, its colon included, and the port; nil where there is none.
  static func port(of host: ByteView) -> (start: Int, port: UInt64)? {
    var index = host.count - 1
    while index > 0, host[index] &- 0x30 < 10 { index -= 1 }
    guard index > 0, host[index] == UInt8(ascii: ":"), index < host.count - 1,
      let port = host.dropFirst(index + 1).decimal
    else { return nil }
    return (index, port)
  }
}
