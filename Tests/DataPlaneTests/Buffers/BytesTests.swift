// Numbers written and read, and comparisons of borrowed bytes.
import Testing

@testable import DataPlane

@Suite struct BytesTests {
  @Test func numbersAreWrittenAsSwiftWritesThem() {
    var random = SeededRandom(3)
    var values: [UInt64] = [0, 1, 9, 10, 15, 16, 99, 100, .max]
    var power: UInt64 = 1
    for _ in 0..<19 {
      power = power &* 10
      values += [power - 1, power, power + 1]
    }
    values += (0..<64).map { 1 << $0 }
    values += (0..<500).map { _ in random.next() >> UInt64.random(in: 0...63, using: &random) }
    var space = [UInt8](repeating: 0, count: 32)
    for value in values {
      let decimal = writeDecimal(value, to: &space)
      #expect(text(space.prefix(decimal)) == String(value))
      let hexadecimal = writeHexadecimal(value, to: &space)
      #expect(text(space.prefix(hexadecimal)) == String(value, radix: 16))
      if value < 1_000_000_000_000_000_000 { #expect(withView(String(value)) { $0.decimal } == value) }
    }
  }

  @Test(arguments: ["", "a", "-1", "+1", " 1", "1 ", "1a", "12345678901234567890", "0x1"])
  func noNumbers(_ text: String) {
    #expect(withView(text) { $0.decimal } == nil)
  }

  @Test func comparisons() {
    withView("Chunked") { view in
      #expect(view.equalsIgnoringCase("chunked"))
      #expect(!view.equalsIgnoringCase("chunke"))
      #expect(view == "Chunked")
      #expect(view == bytes("Chunked"))
      #expect(!(view == "chunked"))
      #expect(view.hasPrefix(bytes("Chu")) && view.hasPrefix([]) && !view.hasPrefix(bytes("Chunkedx")))
      #expect(view.firstIndex(of: UInt8(ascii: "k")) == 4)
      #expect(view.firstIndex(of: UInt8(ascii: "z")) == nil)
    }
    #expect((UInt8(0)...255).filter { asciiLowercase($0) != $0 }.count == 26)
  }
}
