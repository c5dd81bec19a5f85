// The check of field values, which looks at many bytes at once: against the rule a byte at a time.
import Testing

@testable import DataPlane

@Suite struct FieldValueTests {
  private func isValid(_ bytes: [UInt8]) -> Bool {
    // Of exactly that size, for the address sanitizer.
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
    defer { memory.deallocate() }
    for (index, byte) in bytes.enumerated() { memory[index] = byte }
    return HTTP1Characters.isValidValue(ByteView(UnsafePointer(memory), bytes.count))
  }

  private func mayStand(_ byte: UInt8) -> Bool { byte == 0x09 || (byte >= 0x20 && byte != 0x7f) }

  @Test func everyByteAtEveryPlaceOfEveryLength() {
    for count in 1...50 {
      #expect(isValid([UInt8](repeating: 0x61, count: count)))
      for place in 0..<count {
        for byte in UInt8.min...UInt8.max {
          var bytes = [UInt8](repeating: 0x61, count: count)
          bytes[place] = byte
          if isValid(bytes) != mayStand(byte) {
            Issue.record("byte \(byte) at \(place) of \(count)")
            return
          }
        }
      }
    }
    #expect(isValid([]))
  }

  @Test func wildBytes() {
    var random = SeededRandom(11)
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...70, using: &random)).map { _ in
        Int.random(in: 0..<40, using: &random) == 0
          ? UInt8.random(in: 0...255, using: &random) : UInt8.random(in: 0x20...0x7e, using: &random)
      }
      #expect(isValid(bytes) == bytes.allSatisfy(mayStand))
    }
  }
}
