// Normalization of paths: what comes out has no dot segment and nothing that must be escaped, fits
// into the space that was promised, and what is said to be normal is not changed.
@testable import DataPlane

enum PathFuzz {
  static func run(_ input: [UInt8]) {
    // What the request line lets through, without a query.
    let path = [UInt8(ascii: "/")] + input.filter { $0 > 0x20 && $0 < 0x7f && $0 != 0x23 && $0 != 0x3f }
    withExactCopy(path[...]) { base, count in
      let view = ByteView(UnsafePointer(base), count)
      let normal = made(count * 3) { PathNormalization.normalize(view, to: $0) }
      if PathNormalization.isNormal(view) {
        expect(normal == path, "normal, and changed to \(normal ?? [])")
      }
      if let normal { checkNormal(normal) }
      checkSlashes(view)
      if let merged = made(count + 1, { PathNormalization.mergeSlashes(view, to: $0) }) {
        let text = String(decoding: merged, as: UTF8.self)
        expect(text == "//" || !text.contains("//"), "slashes are left: \(text)")
        expect(merged.filter { $0 != 0x2f } == path.filter { $0 != 0x2f }, "more than slashes has gone")
      }
    }
  }

  private static func checkNormal(_ normal: [UInt8]) {
    expect(normal.first == UInt8(ascii: "/"), "no slash first")
    expect(!normal.contains { "\\\"<>^`{|}".utf8.contains($0) }, "a byte is not escaped")
    for segment in normal.split(separator: UInt8(ascii: "/")) {
      let name = segment.prefix { $0 != UInt8(ascii: ";") }
      // What stands behind a dot segment's parameters was compared with the segment as it came.
      expect(
        !(name.count == segment.count && (name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8))),
        "a dot segment is left")
    }
  }

  private static func checkSlashes(_ view: ByteView) {
    guard let plain = made(view.count, { PathNormalization.unescapeSlashes(view, to: $0) }) else {
      expect(PathNormalization.firstEscapedSlash(view, from: 0) == nil, "an escaped slash was not seen")
      return
    }
    expect(plain.count < view.count, "nothing was read")
    withExactCopy(plain[...]) { base, count in
      expect(
        PathNormalization.firstEscapedSlash(ByteView(UnsafePointer(base), count), from: 0) == nil,
        "an escaped slash is left")
    }
  }

  private static func made(_ capacity: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Int?) -> [UInt8]? {
    let space = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    defer { space.deallocate() }
    guard let length = body(space) else { return nil }
    expect(length <= capacity, "\(length) bytes in \(capacity)")
    return [UInt8](UnsafeBufferPointer(start: space, count: length))
  }
}
