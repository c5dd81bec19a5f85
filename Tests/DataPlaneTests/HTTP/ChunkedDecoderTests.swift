// The chunked coding: data found whatever way the bytes come, limits, and malformed framing.
import Testing

@testable import DataPlane

@Suite struct ChunkedDecoderTests {
  struct Reading: Equatable {
    enum End { case open, trailers, failed }
    var body: [UInt8] = []
    var end = End.open
    /// Bytes of the coding that were consumed.
    var length = 0
  }

  /// Decodes pieces that end at `cuts`.
  static func decode(_ input: [UInt8], cuts: [Int] = []) -> Reading {
    var decoder = ChunkedDecoder()
    var reading = Reading()
    for end in cuts + [input.count] {
      while reading.length < end, reading.end == .open {
        let piece = Array(input[reading.length..<end])
        withView(piece) { view in
          var consumed = 0
          switch decoder.next(view.base, view.count, consumed: &consumed) {
          case .needMore: #expect(consumed == view.count)
          case .data(let offset, let count):
            #expect(count > 0 && offset + count <= consumed && consumed <= view.count)
            reading.body += view.dropFirst(offset).prefix(count).array
          case .trailers: reading.end = .trailers
          case .failed: reading.end = .failed
          }
          reading.length += consumed
        }
      }
    }
    return reading
  }

  private static let samples = [
    "5\r\nhello\r\n0\r\n", "0\r\n", "A;a=b\r\n0123456789\r\n001\r\nx\r\n00\r\nX: y\r\n\r\n",
    "3;x=\"a;b\t\"\r\nabc\r\nff\r\n" + String(repeating: "z", count: 255) + "\r\n0;last\r\n\r\n",
    "5\r\nhello\n0\r\n", "5\r\nhelloo\r\n", "5 \r\nhello\r\n", "\r\n", "g\r\n", "5\nhello\r\n", "5\r\rhello",
    "-1\r\n",
    "5;a\u{0}\r\n", "5;a\n\r\n", "0x5\r\n", "5\r\nhello\r\r",
  ]

  @Test func data() {
    let reading = Self.decode(bytes("5\r\nhello\r\nA;a=b\r\n0123456789\r\n0\r\nX: y\r\n\r\n"))
    #expect(text(reading.body) == "hello0123456789")
    #expect(reading.end == .trailers)
    #expect(reading.length == 32)
  }

  @Test func everySplitGivesTheSame() {
    for sample in Self.samples {
      let input = bytes(sample)
      let whole = Self.decode(input)
      #expect(Self.decode(input, cuts: Array(1..<input.count)) == whole, "\(sample)")
      for first in 1..<input.count {
        #expect(Self.decode(input, cuts: [first]) == whole, "\(sample) at \(first)")
        let second = first + 1 + first % 7
        if second < input.count {
          #expect(Self.decode(input, cuts: [first, second]) == whole, "\(sample) at \(first), \(second)")
        }
      }
    }
  }

  @Test(arguments: samples.suffix(12))
  func malformed(_ input: String) {
    #expect(Self.decode(bytes(input)).end == .failed)
  }

  @Test func digitsOfASize() {
    #expect(Self.decode(bytes("00000000000000a\r\n0123456789\r\n0\r\n")).end == .trailers)
    #expect(Self.decode(bytes("000000000000000a\r\n")).end == .failed)
    #expect(Self.decode(bytes("fffffffffffffff\r\nx")).body == bytes("x"))
    #expect(Self.decode(bytes("ffffffffffffffff\r\nx")).end == .failed)
  }

  @Test func extensionOfAChunk() {
    func chunk(_ length: Int) -> String { "1;" + String(repeating: "e", count: length) + "\r\nx\r\n" }
    #expect(Self.decode(bytes(chunk(256) + "0\r\n")).end == .trailers)
    #expect(Self.decode(bytes(chunk(257))).end == .failed)
  }

  @Test func extensionsOfABody() {
    let chunk = "1;" + String(repeating: "e", count: 256) + "\r\nx\r\n"
    let full = String(repeating: chunk, count: 32)
    #expect(Self.decode(bytes(full + "0\r\n")).end == .trailers)
    #expect(Self.decode(bytes(full + "0;e\r\n")).end == .failed)
  }

  @Test func nothingIsReadBehindTheLastChunk() {
    let reading = Self.decode(bytes("0\r\n\r\nGET / HTTP/1.1"))
    #expect(reading.length == 3)
    #expect(reading.end == .trailers)
  }
}
