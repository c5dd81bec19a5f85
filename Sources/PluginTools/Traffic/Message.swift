// HTTP/1.1 messages as the tools play and read them: what is sent is a list of pieces, so that the same
// message can come in any pieces; what comes back is read whole.

/// A message to be played.
struct Message: Sendable, Equatable {
  enum Framing: Sendable { case none, length, chunked }
  /// `GET /x HTTP/1.1`, or `HTTP/1.1 200 OK`.
  var start: String
  var headers: [(String, [UInt8])] = []
  var body: [UInt8] = []
  var framing = Framing.none
  var trailers: [(String, String)] = []

  static func == (a: Message, b: Message) -> Bool { a.start == b.start && a.body == b.body }

  init(_ start: String, _ headers: [(String, String)] = []) {
    self.start = start
    self.headers = headers.map { ($0.0, Array($0.1.utf8)) }
  }

  func with(_ body: [UInt8], _ framing: Framing, trailers: [(String, String)] = []) -> Message {
    var copy = self
    copy.body = body
    copy.framing = framing
    copy.trailers = trailers
    return copy
  }

  var head: [UInt8] {
    var bytes = Array((start + "\r\n").utf8)
    for (name, value) in headers { bytes += Array(name.utf8) + Array(": ".utf8) + value + Array("\r\n".utf8) }
    if framing == .length { bytes += Array("content-length: \(body.count)\r\n".utf8) }
    if framing == .chunked {
      bytes += Array("transfer-encoding: chunked\r\n".utf8)
      if !trailers.isEmpty { bytes += Array("trailer: \(trailers[0].0)\r\n".utf8) }
    }
    return bytes + Array("\r\n".utf8)
  }

  /// The message in one piece, or with its body and its bytes cut at places that `cuts` draws.
  func pieces(_ cuts: inout SeededRandom, isWhole: Bool) -> [[UInt8]] {
    var bytes = head
    switch framing {
    case .none: break
    case .length: bytes += body
    case .chunked:
      for chunk in isWhole ? (body.isEmpty ? [] : [body]) : Self.cut(body, &cuts, most: 6)
      where !chunk.isEmpty {
        bytes += Array((String(chunk.count, radix: 16) + "\r\n").utf8) + chunk + Array("\r\n".utf8)
      }
      bytes += Array("0\r\n".utf8)
      for (name, value) in trailers { bytes += Array("\(name): \(value)\r\n".utf8) }
      bytes += Array("\r\n".utf8)
    }
    return isWhole ? [bytes] : Self.cut(bytes, &cuts, most: 10)
  }

  private static func cut(_ bytes: [UInt8], _ cuts: inout SeededRandom, most: Int) -> [[UInt8]] {
    guard bytes.count > 1 else { return [bytes] }
    var places = Set<Int>()
    for _ in 0..<cuts.below(most) { places.insert(1 + cuts.below(bytes.count - 1)) }
    // Now and then three single bytes on end: what splits in the middle of a word.
    if cuts.below(2) == 0 {
      let first = 1 + cuts.below(bytes.count - 1)
      for place in first..<min(first + 3, bytes.count) { places.insert(place) }
    }
    let borders = [0] + places.sorted() + [bytes.count]
    return zip(borders, borders.dropFirst()).map { Array(bytes[$0..<$1]) }
  }
}

/// A message that was read.
struct ReadMessage: Sendable, Equatable {
  var start = ""
  /// In the order of the message, names in lower case.
  var headers: [String] = []
  var body: [UInt8] = []
  var trailers: [String] = []
  /// Its end has come.
  var isWhole = false

  var status: Int { Int(start.split(separator: " ").dropFirst().first ?? "") ?? 0 }
  func header(_ name: String) -> String? {
    headers.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
  }

  /// Of the peer's next message. `method`: of the request that it answers; nil: it is a request.
  static func read(_ socket: Socket, answering method: String?) -> ReadMessage? {
    guard var message = head(socket) else { return nil }
    // Interim responses.
    while method != nil, message.status / 100 == 1 {
      guard let next = head(socket) else { return nil }
      message = next
    }
    let isBodiless =
      method == "HEAD" || (method != nil && (message.status == 204 || message.status == 304))
    if isBodiless {
      message.isWhole = true
    } else if message.header("transfer-encoding") != nil {
      message.readChunks(socket)
    } else if let length = message.header("content-length").flatMap({ Int($0) }) {
      if let body = socket.read(length) {
        message.body = body
        message.isWhole = true
      }
    } else if method == nil {
      message.isWhole = true
    } else {
      let (body, ended) = socket.rest()
      message.body = body
      message.isWhole = ended == .closed
    }
    return message
  }

  private static func head(_ socket: Socket) -> ReadMessage? {
    guard let first = socket.line() else { return nil }
    var message = ReadMessage()
    message.start = String(decoding: first, as: UTF8.self)
    guard let fields = fields(socket) else { return nil }
    message.headers = fields
    return message
  }

  private static func fields(_ socket: Socket) -> [String]? {
    var fields: [String] = []
    while let line = socket.line() {
      if line.isEmpty { return fields }
      let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      let value = line[colon...].dropFirst().drop { $0 == UInt8(ascii: " ") }
      fields.append(name + ": " + value.map { $0 < 0x80 ? String(UnicodeScalar($0)) : "%\($0)" }.joined())
    }
    return nil
  }

  private mutating func readChunks(_ socket: Socket) {
    while let line = socket.line() {
      let digits = String(decoding: line.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
      guard let size = Int(digits, radix: 16) else { return }
      if size == 0 {
        guard let fields = Self.fields(socket) else { return }
        trailers = fields
        isWhole = true
        return
      }
      guard let chunk = socket.read(size), socket.line() != nil else { return }
      body += chunk
    }
  }
}
