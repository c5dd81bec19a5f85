// PROXY protocol headers: a header is found with its last byte and not before, and what follows it
// changes nothing; what is refused is never taken when it comes in pieces.
@testable import DataPlane

enum ProxyProtocolFuzz {
  static func run(_ input: [UInt8]) {
    let whole = parse(input[...])
    if case .header(let header) = whole {
      expect(header.length > 0 && header.length <= input.count, "a header longer than its bytes")
      let size = header.tlvs.reduce(16) { $0 + 3 + $1.value.count }
      expect(header.version == 1 || size <= header.length, "more TLVs than bytes")
    }
    for end in input.count <= 600 ? Array(0...input.count) : cuts(input, 20) {
      let part = parse(input.prefix(end))
      switch whole {
      case .header(let header):
        expect(part == (end < header.length ? .needMore : whole), "with \(end) bytes: \(part)")
      case .needMore: expect(part == .needMore, "with \(end) bytes: \(part)")
      case .notFound, .malformed: expect(part == .needMore || part == whole, "with \(end) bytes: \(part)")
      }
    }
  }

  private static func parse(_ bytes: ArraySlice<UInt8>) -> ProxyProtocolParser.Outcome {
    withExactCopy(bytes) { base, count in ProxyProtocolParser.parse(ByteView(base, count)) }
  }
}
