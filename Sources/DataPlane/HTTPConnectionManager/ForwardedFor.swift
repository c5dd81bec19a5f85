// `x-forwarded-for`: the addresses that the proxies on a request's way have written, the nearest
// last. What stands left of the first proxy that is not trusted may be invented.
import Model

enum ForwardedFor {
  struct Result: Equatable {
    var address: IPAddress?
    /// The list is this one address: nobody else had a say.
    var isSingle = false
  }

  /// The last address, where `skip` others may stand behind it.
  static func last(of list: ByteView, skipping skip: UInt32) -> Result {
    var rest = list
    for _ in 0..<skip {
      guard let comma = lastComma(rest) else { return Result() }
      rest = rest.prefix(comma)
    }
    let comma = lastComma(rest)
    if let comma { rest = rest.dropFirst(comma + 1) }
    guard let address = AddressText.parse(trimmed(rest)) else { return Result() }
    return Result(address: address, isSingle: comma == nil && skip == 0)
  }

  /// The last address that none of the ranges holds; where all are trusted, the first of the list.
  /// None where a member before it is no address: nobody knows who wrote what stands left of that.
  static func lastUntrusted(of list: ByteView, _ trusted: [AddressPrefix]) -> IPAddress? {
    var rest = list
    while true {
      let comma = lastComma(rest)
      let member = comma.map { rest.dropFirst($0 + 1) } ?? rest
      guard let address = AddressText.parse(trimmed(member)) else { return nil }
      guard trusted.contains(where: { $0.contains(address) }), let comma else { return address }
      rest = rest.prefix(comma)
    }
  }

  private static func lastComma(_ text: ByteView) -> Int? {
    var index = text.count
    while index > 0 {
      index -= 1
      if text[index] == UInt8(ascii: ",") { return index }
    }
    return nil
  }

  private static func trimmed(_ text: ByteView) -> ByteView {
    var start = 0
    var end = text.count
    while start < end, text[start] == 0x20 || text[start] == 0x09 { start += 1 }
    while end > start, text[end - 1] == 0x20 || text[end - 1] == 0x09 { end -= 1 }
    return ByteView(text.base + start, end - start)
  }
}
