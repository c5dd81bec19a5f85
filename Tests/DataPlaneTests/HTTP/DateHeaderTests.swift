// The `date` header against known dates (RFC 9110 section 5.6.7).
import Testing

@testable import DataPlane

@Suite struct DateHeaderTests {
  @Test(
    arguments: [
      (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
      (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),  // RFC 9110's own example
      (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
      (1_709_210_096, "Thu, 29 Feb 2024 12:34:56 GMT"),
      (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
      (4_102_444_800, "Fri, 01 Jan 2100 00:00:00 GMT"),
    ] as [(Int64, String)])
  func knownDates(_ seconds: Int64, _ text: String) {
    var bytes = [UInt8](repeating: 0, count: DateHeader.length)
    bytes.withUnsafeMutableBytes { DateHeader.format(seconds, into: $0) }
    #expect(String(decoding: bytes, as: UTF8.self) == text)
  }

  @Test func isMadeAgainAsTheClockGoesOn() {
    var date = DateHeader()
    var first = [UInt8](repeating: 0, count: 29)
    var second = first
    date.write(to: &first, now: 1_000_000_000)
    date.write(to: &second, now: 1_000_000_001)
    #expect(first == second)
    #expect(first.suffix(4).elementsEqual(" GMT".utf8))
  }
}
