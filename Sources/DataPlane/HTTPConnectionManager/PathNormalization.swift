// The form of a path that routes are matched against, so that two ways to write the same path are
// not two paths to a rule that guards it.
//
//     %2F %5C          kept, refused, or `/` and `\` (and then sent on, or the client sent there)
//     normalize_path   `\` is `/`; escapes of letters, digits and `-._~` are read; `"<>^`{|}` are
//                      escaped; `.` and `..` are resolved; %00 is refused
//     merge_slashes    a run of slashes is one
//
// In this order, as Envoy's, and the query is left alone. What normalization leaves of `%2F` is the
// reason for the first step: an origin may read it as a slash.

enum PathNormalization {
  /// The bytes of the path before its query.
  static func pathLength(_ target: ByteView) -> Int {
    target.firstIndex(of: UInt8(ascii: "?")) ?? target.count
  }

  // MARK: Escaped slashes

  /// The length of the path with `%2F` and `%5C` read, written to `out` (as long as `path`); nil
  /// where there is none and nothing was written.
  static func unescapeSlashes(_ path: ByteView, to out: UnsafeMutablePointer<UInt8>) -> Int? {
    guard var index = firstEscapedSlash(path, from: 0) else { return nil }
    out.update(from: path.base, count: index)
    var length = index
    while index < path.count {
      if let slash = escapedSlash(path, index) {
        out[length] = slash
        index += 3
      } else {
        out[length] = path[index]
        index += 1
      }
      length += 1
    }
    return length
  }

  static func firstEscapedSlash(_ path: ByteView, from start: Int) -> Int? {
    var index = start
    while let found = path.dropFirst(index).firstIndex(of: UInt8(ascii: "%")) {
      index += found
      if escapedSlash(path, index) != nil { return index }
      index += 1
    }
    return nil
  }

  private static func escapedSlash(_ path: ByteView, _ index: Int) -> UInt8? {
    guard let byte = escaped(path, index) else { return nil }
    return byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") ? byte : nil
  }

  /// The byte that the escape at `index` stands for; nil where there is none.
  @inline(__always)
  private static func escaped(_ path: ByteView, _ index: Int) -> UInt8? {
    guard index + 2 < path.count, path[index] == UInt8(ascii: "%"),
      let high = hexDigit(path[index + 1]), let low = hexDigit(path[index + 2])
    else { return nil }
    return high << 4 | low
  }

  @inline(__always)
  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    if byte &- 0x30 < 10 { return byte &- 0x30 }
    let lower = byte | 0x20
    return lower &- 0x61 < 6 ? lower &- 0x57 : nil
  }

  // MARK: Normal form

  /// What a byte of a path becomes.
  private enum Class {
    static let plain: UInt8 = 0, escape: UInt8 = 1, slash: UInt8 = 2, dot: UInt8 = 3,
      percent: UInt8 = 4, unreserved: UInt8 = 5
  }
  private nonisolated(unsafe) static let classes: UnsafePointer<UInt8> = {
    let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    table.initialize(repeating: Class.plain, count: 256)
    for byte in UInt8(ascii: "0")...UInt8(ascii: "9") { table[Int(byte)] = Class.unreserved }
    for byte in UInt8(ascii: "a")...UInt8(ascii: "z") { table[Int(byte)] = Class.unreserved }
    for byte in UInt8(ascii: "A")...UInt8(ascii: "Z") { table[Int(byte)] = Class.unreserved }
    for byte in "-_~".utf8 { table[Int(byte)] = Class.unreserved }
    for byte in "\"<>^`{|}".utf8 { table[Int(byte)] = Class.escape }
    table[Int(UInt8(ascii: "."))] = Class.dot
    table[Int(UInt8(ascii: "%"))] = Class.percent
    table[Int(UInt8(ascii: "/"))] = Class.slash
    table[Int(UInt8(ascii: "\\"))] = Class.slash
    return UnsafePointer(table)
  }()

  /// True where `normalize` would change nothing: no byte that it looks at but plain slashes, and
  /// dots that no slash stands before.
  static func isNormal(_ path: ByteView) -> Bool {
    var index = 0
    var afterSlash = false
    while index < path.count {
      switch classes[Int(path[index])] {
      case Class.escape, Class.percent: return false
      case Class.slash:
        if path[index] != UInt8(ascii: "/") { return false }
        afterSlash = true
      case Class.dot:
        if afterSlash { return false }
      default: afterSlash = false
      }
      index &+= 1
    }
    return true
  }

  /// The length of the normal form of `path`, which begins with a slash, written to `out` (three
  /// times as long at most). Nil: it has none.
  static func normalize(_ path: ByteView, to out: UnsafeMutablePointer<UInt8>) -> Int? {
    var index = 0
    var length = 0
    while index < path.count {
      let byte = path[index]
      switch classes[Int(byte)] {
      case Class.slash:
        out[length] = UInt8(ascii: "/")
        length += 1
        index += 1
        skipDots(path, &index, out, &length)
        continue
      case Class.percent:
        if let read = escaped(path, index) {
          if read == 0 { return nil }
          let kind = classes[Int(read)]
          if kind == Class.unreserved || kind == Class.dot {
            out[length] = read
            length += 1
            index += 3
            continue
          }
        }
        out[length] = byte
        length += 1
      case Class.escape:
        out[length] = UInt8(ascii: "%")
        out[length + 1] = upperHex(byte >> 4)
        out[length + 2] = upperHex(byte & 15)
        length += 3
      default:
        out[length] = byte
        length += 1
      }
      index += 1
    }
    return length
  }

  private static func upperHex(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 + digit : 0x37 + digit }

  /// Behind a slash: segments of one or two dots, written out or escaped, are resolved.
  private static func skipDots(
    _ path: ByteView, _ index: inout Int, _ out: UnsafeMutablePointer<UInt8>, _ length: inout Int
  ) {
    while true {
      var next = index
      var dots = 0
      while dots < 3, let after = dot(path, next) {
        next = after
        dots += 1
      }
      guard dots == 1 || dots == 2 else { return }
      // Parameters (`/..;x/`) hide a dot segment from nobody: servers that read them take them off.
      if next < path.count, path[next] == UInt8(ascii: ";") {
        while next < path.count, path[next] != UInt8(ascii: "/") { next += 1 }
      }
      guard next == path.count || classes[Int(path[next])] == Class.slash else { return }
      if dots == 2, length > 1 {
        // Back to behind the slash before.
        length -= 1
        while length > 1, out[length - 1] != UInt8(ascii: "/") { length -= 1 }
      }
      index = Swift.min(next + 1, path.count)
    }
  }

  /// The position behind the dot at `index`; nil where there is none.
  private static func dot(_ path: ByteView, _ index: Int) -> Int? {
    if index < path.count, path[index] == UInt8(ascii: ".") { return index + 1 }
    return escaped(path, index) == UInt8(ascii: ".") ? index + 3 : nil
  }

  // MARK: Slashes

  static func hasSlashRun(_ path: ByteView) -> Bool {
    var index = 1
    while index < path.count {
      if path[index] == UInt8(ascii: "/"), path[index - 1] == UInt8(ascii: "/") { return true }
      index += 1
    }
    return false
  }

  /// The length of the path with each run of slashes made one, written to `out`; nil where there is
  /// no such run. Of nothing but slashes two stay, as in Envoy.
  static func mergeSlashes(_ path: ByteView, to out: UnsafeMutablePointer<UInt8>) -> Int? {
    var length = 0
    var merged = false
    for index in 0..<path.count {
      let byte = path[index]
      if byte == UInt8(ascii: "/"), length > 0, out[length - 1] == byte {
        merged = true
        continue
      }
      out[length] = byte
      length += 1
    }
    guard merged else { return nil }
    if length == 1 {
      out[1] = UInt8(ascii: "/")
      length = 2
    }
    return length
  }
}
