// What one message exchange has cost on the wire of one side.

struct WireBytes {
  /// Fields only, without the start line.
  var headReceived: UInt64 = 0
  var headSent: UInt64 = 0
  /// Everything: heads, bodies and their framing.
  var wireReceived: UInt64 = 0
  var wireSent: UInt64 = 0

  /// The size of a received head as Envoy counts it: names, values, and three bytes a field.
  static func received(_ head: MessageHead) -> UInt64 {
    var total = 0
    let headers = head.headers
    for index in 0..<headers.count {
      total += Int(headers.entries[index].nameLength) + Int(headers.entries[index].valueLength)
    }
    return UInt64(total + 3 * Swift.max(headers.count, 1))
  }
}
