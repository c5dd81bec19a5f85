// Writes the protobuf wire format (proto3, no groups). The walk writes each value as it checks
// it, and SwiftProtobuf decodes the whole into typed messages: the merge of two files is then
// by definition protobuf's own, for MergeFrom equals decoding one after the other.

struct WireWriter {
  private(set) var bytes: [UInt8] = []

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func tag(_ number: Int, _ wireType: UInt64) {
    varint(UInt64(number) << 3 | wireType)
  }

  mutating func integer(_ number: Int, _ value: UInt64) {
    tag(number, 0)
    varint(value)
  }

  mutating func double(_ number: Int, _ value: Double) {
    tag(number, 1)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func float(_ number: Int, _ value: Float) {
    tag(number, 5)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func data(_ number: Int, _ value: some Collection<UInt8>) {
    tag(number, 2)
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  mutating func message(_ number: Int, _ value: WireWriter) { data(number, value.bytes) }
}
