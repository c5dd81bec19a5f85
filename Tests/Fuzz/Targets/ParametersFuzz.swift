// Query strings and cookies, read where they lie, against splitting them: the first line is a name, the
// rest the text.
@testable import DataPlane

enum ParametersFuzz {
  static func run(_ input: [UInt8]) {
    let lines = input.split(separator: 0x0a, maxSplits: 1, omittingEmptySubsequences: false)
    let name = Array(lines[0])
    let text = lines.count > 1 ? lines[1] : []
    withExactCopy(text) { base, count in
      let view = ByteView(base, count)
      expect(QueryString(view).first(name)?.array == query(Array(text), name), "the query's \(name)")
      expect(CookieString(view).first(name)?.array == cookie(Array(text), name), "the cookie's \(name)")
      let path = view.withoutQuery
      expect(!path.array.contains(0x3f) && path.count <= count, "a path with a query")
      let host = view.withoutPort
      expect(host.count == count || view[host.count] == 0x3a, "a host that ends elsewhere")
      expect(view.unsigned == UInt64(plain: Array(text)), "the number")
      checkDecoded(view, Array(text), name)
      expect(view.number.map { $0.isFinite } ?? true, "a number that is none")
    }
  }

  private static func query(_ text: [UInt8], _ name: [UInt8]) -> [UInt8]? {
    var parts = text.split(separator: 0x26, omittingEmptySubsequences: false)
    // Nothing behind the last separator is no parameter.
    if parts.last?.isEmpty == true { parts.removeLast() }
    for part in parts {
      let pair = part.split(separator: 0x3d, maxSplits: 1, omittingEmptySubsequences: false)
      if Array(pair.first ?? []) == name { return pair.count > 1 ? Array(pair[1]) : [] }
    }
    return nil
  }

  /// The query of a path with its escapes decoded, as rate limit rules see it.
  private static func checkDecoded(_ view: ByteView, _ text: [UInt8], _ name: [UInt8]) {
    let out = TextBuffer(capacity: 1)
    out.append(UInt8(ascii: "x"))
    let isThere = DecodedQuery(view).first(name, to: out)
    let found = isThere ? Array(out.view.array.dropFirst()) : nil
    expect(isThere || out.count == 1, "nothing is written where nothing is found")
    let mark = text.firstIndex(of: 0x3f).map { Array(text[($0 + 1)...]) } ?? []
    var parts = mark.split(separator: 0x26, omittingEmptySubsequences: false)
    if parts.last?.isEmpty == true { parts.removeLast() }
    var expected: [UInt8]?
    for part in parts {
      let pair = part.split(separator: 0x3d, maxSplits: 1, omittingEmptySubsequences: false)
      guard decoded(Array(pair.first ?? [])) == name else { continue }
      expected = decoded(pair.count > 1 ? Array(pair[1]) : [])
      break
    }
    expect(found == expected, "the decoded query's \(name)")
  }

  private static func decoded(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      let digits = text[(index + 1)...].prefix(2)
      let isHex = digits.allSatisfy {
        (48...57).contains($0) || (65...70).contains($0) || (97...102).contains($0)
      }
      if text[index] == 0x25, digits.count == 2, isHex {
        result.append(UInt8(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0)
        index += 3
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  private static func cookie(_ text: [UInt8], _ name: [UInt8]) -> [UInt8]? {
    func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
      let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
      return bytes.drop(while: isSpace).reversed().drop(while: isSpace).reversed()[...]
    }
    for part in text.split(separator: 0x3b, omittingEmptySubsequences: false) {
      let pair = trimmed(part).split(separator: 0x3d, maxSplits: 1, omittingEmptySubsequences: false)
      guard pair.count == 2, Array(pair[0]) == name else { continue }
      let value = Array(pair[1])
      let isQuoted = value.count >= 2 && value.first == 0x22 && value.last == 0x22
      return isQuoted ? Array(value.dropFirst().dropLast()) : value
    }
    return nil
  }
}

extension UInt64 {
  /// Digits alone: Swift's own takes a sign.
  fileprivate init?(plain digits: [UInt8]) {
    guard !digits.isEmpty, digits.count <= 20, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
      return nil
    }
    self.init(String(decoding: digits, as: UTF8.self))
  }
}
