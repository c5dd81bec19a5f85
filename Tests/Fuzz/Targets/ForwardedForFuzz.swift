// x-forwarded-for: addresses are read as the configuration's reader reads them, written so that they
// are read again, and taken from the place in the list that was asked for.
import Model

@testable import DataPlane

enum ForwardedForFuzz {
  static func run(_ input: [UInt8]) {
    let text = input.filter { $0 != 0 }
    withExactCopy(text[...]) { base, count in
      let list = ByteView(UnsafePointer(base), count)
      let members = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        .map { address($0) }
      for skip in 0..<UInt32(members.count + 1) {
        let found = ForwardedFor.last(of: list, skipping: skip)
        let expected = Int(skip) < members.count ? members[members.count - 1 - Int(skip)] : nil
        expect(found.address == expected, "\(skip) from the end: \(String(describing: found))")
        expect(found.isSingle == (expected != nil && members.count == 1), "single: \(found)")
      }
      let trusted = [AddressPrefix(address: IPAddress(v4: 0x0a00_0000), length: 8)]
      var last: IPAddress?
      for member in members.reversed() {
        last = member
        guard let member, trusted[0].contains(member) else { break }
      }
      expect(ForwardedFor.lastUntrusted(of: list, trusted) == last, "last untrusted")
    }
  }

  private static func address(_ member: ArraySlice<UInt8>) -> IPAddress? {
    var trimmed = member
    while let first = trimmed.first, first == 0x20 || first == 0x09 { trimmed.removeFirst() }
    while let last = trimmed.last, last == 0x20 || last == 0x09 { trimmed.removeLast() }
    let expected = String(validating: trimmed, as: UTF8.self).flatMap { IPAddress($0) }
    withExactCopy(trimmed) { base, count in
      let read = AddressText.parse(ByteView(UnsafePointer(base), count))
      expect(read == expected, "read as \(String(describing: read)), not \(String(describing: expected))")
    }
    if let expected { writeAndRead(expected) }
    return expected
  }

  private static func writeAndRead(_ address: IPAddress) {
    withExactCopy([UInt8](repeating: 0, count: AddressText.maxLength)[...]) { base, _ in
      let length = AddressText.write(address, to: base)
      expect(
        AddressText.parse(ByteView(UnsafePointer(base), length)) == address, "written and not read again")
    }
  }
}
