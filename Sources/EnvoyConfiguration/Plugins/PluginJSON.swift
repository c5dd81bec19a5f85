// What a file says, as the JSON that a plugin reads: members in the order of their names, whole numbers
// without a fraction (SwiftProtobuf writes 12.0, which readers of integers refuse).

internal import SwiftProtobuf

enum PluginJSON {
  static func text(_ object: Google_Protobuf_Struct) -> [UInt8] {
    var out: [UInt8] = []
    write(object, to: &out)
    return out
  }

  private static func write(_ object: Google_Protobuf_Struct, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "{"))
    for (index, member) in object.fields.sorted(by: { $0.key < $1.key }).enumerated() {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      write(member.key, to: &out)
      out.append(UInt8(ascii: ":"))
      write(member.value, to: &out)
    }
    out.append(UInt8(ascii: "}"))
  }

  private static func write(_ value: Google_Protobuf_Value, to out: inout [UInt8]) {
    switch value.kind {
    case .stringValue(let text): write(text, to: &out)
    case .boolValue(let flag): out.append(contentsOf: (flag ? "true" : "false").utf8)
    case .numberValue(let number): out.append(contentsOf: text(number).utf8)
    case .structValue(let object): write(object, to: &out)
    case .listValue(let list):
      out.append(UInt8(ascii: "["))
      for (index, element) in list.values.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        write(element, to: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .nullValue, nil: out.append(contentsOf: "null".utf8)
    }
  }

  /// The shortest text that gives the number again. JSON has no infinities.
  private static func text(_ number: Double) -> String {
    if number.isFinite, number == number.rounded(), number.magnitude < 9_007_199_254_740_992 {
      return String(Int64(number))
    }
    return number.isFinite ? "\(number)" : "null"
  }

  /// RFC 8259 section 7.
  private static func write(_ text: String, to out: inout [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        out.append(UInt8(ascii: "\\"))
        out.append(byte)
      case UInt8(ascii: "\n"): out.append(contentsOf: "\\n".utf8)
      case UInt8(ascii: "\r"): out.append(contentsOf: "\\r".utf8)
      case UInt8(ascii: "\t"): out.append(contentsOf: "\\t".utf8)
      case 0..<0x20:
        out.append(contentsOf: "\\u00".utf8)
        out.append(digits[Int(byte >> 4)])
        out.append(digits[Int(byte & 15)])
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }
}
