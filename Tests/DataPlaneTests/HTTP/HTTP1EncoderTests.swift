// Heads and framing as they are written, and that what is written reads back as what was meant.
import Testing

@testable import DataPlane

@Suite struct HTTP1EncoderTests {
  private let pool = ChunkPool()
  private let names = HeaderNameTable()

  /// A head with these fields, their names interned as the parser does it.
  private func head(_ fields: [(String, String)] = []) -> MessageHead {
    let head = MessageHead()
    for (name, value) in fields {
      let id = names.find(name)
      withView(name) { name in withView(value) { head.headers.addCopy(id, name: name, value: $0) } }
    }
    return head
  }

  private func request(
    _ fields: [(String, String)] = [], framing: HTTP1Encoder.Framing = .none, keepAlive: Bool = true
  ) -> String {
    let head = head(fields)
    let queue = OutboundQueue(pool: pool)
    let method: StaticString = "POST"
    let path: StaticString = "/a?b"
    let authority: StaticString = "host:1"
    head.methodText = ByteView(method.utf8Start, 4)
    head.path = ByteView(path.utf8Start, 4)
    head.authority = ByteView(authority.utf8Start, 6)
    HTTP1Encoder.request(head, framing: framing, keepAlive: keepAlive, to: queue)
    #expect(queue.byteCount == queue.contents.count)
    return text(queue.contents)
  }

  private func response(
    _ status: Int, _ fields: [(String, String)] = [], framing: HTTP1Encoder.Framing,
    connection: HTTP1Encoder.ConnectionField = .none
  ) -> String {
    let head = head(fields)
    head.status = status
    let queue = OutboundQueue(pool: pool)
    HTTP1Encoder.response(head, framing: framing, connection: connection, to: queue)
    return text(queue.contents)
  }

  @Test func requestHeads() {
    #expect(request() == "POST /a?b HTTP/1.1\r\nhost: host:1\r\n\r\n")
    #expect(
      request([("accept", "*/*"), ("content-length", "3")], framing: .contentLength)
        == "POST /a?b HTTP/1.1\r\nhost: host:1\r\naccept: */*\r\ncontent-length: 3\r\n\r\n")
    #expect(
      request([("x", "y")], framing: .chunked, keepAlive: false)
        == "POST /a?b HTTP/1.1\r\nhost: host:1\r\nx: y\r\ntransfer-encoding: chunked\r\n"
        + "connection: close\r\n\r\n")
  }

  @Test func fieldsOfOneHopAreLeftOut() {
    let hop = [
      ("connection", "close"), ("keep-alive", "5"), ("proxy-connection", "x"),
      ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("te", "trailers"), ("http2-settings", "x"),
    ]
    #expect(
      request([("a", "1")] + hop + [("host", "other"), ("b", "2")])
        == "POST /a?b HTTP/1.1\r\nhost: host:1\r\na: 1\r\nb: 2\r\n\r\n")
    #expect(response(200, hop + [("b", "2")], framing: .contentLength) == "HTTP/1.1 200 OK\r\nb: 2\r\n\r\n")
  }

  @Test func contentLengthGoesWithItsFraming() {
    let fields = [("content-length", "5"), ("x", "y")]
    func has(_ status: Int, _ framing: HTTP1Encoder.Framing) -> Bool {
      response(status, fields, framing: framing).contains("content-length")
    }
    #expect(has(200, .contentLength))
    #expect(!has(200, .chunked))
    #expect(!has(200, .untilClose))
    #expect(has(200, .none))  // the answer to a HEAD
    #expect(has(304, .none))
    #expect(!has(204, .none))
    #expect(!has(103, .none))
  }

  @Test func connectionFields() {
    #expect(
      response(200, framing: .chunked, connection: .close)
        == "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
    #expect(
      response(404, framing: .none, connection: .keepAlive)
        == "HTTP/1.1 404 Not Found\r\nconnection: keep-alive\r\n\r\n")
  }

  @Test func everyStatusFitsItsReservation() {
    for status in 100...999 {
      let written = response(status, framing: .chunked, connection: .keepAlive)
      #expect(written.hasPrefix("HTTP/1.1 \(status) "))
      #expect(written.utf8.count < 192)
    }
  }

  @Test(arguments: [1, 9, 15, 16, 255, 256, 4095, 65_536, 1 << 30, Int.max])
  func chunkSizes(_ size: Int) {
    let queue = OutboundQueue(pool: pool)
    HTTP1Encoder.chunkStart(size, to: queue)
    #expect(text(queue.contents) == String(size, radix: 16) + "\r\n")
  }

  @Test func lastChunks() {
    let queue = OutboundQueue(pool: pool)
    HTTP1Encoder.lastChunk(trailers: nil, to: queue)
    HTTP1Encoder.lastChunk(trailers: head(), to: queue)
    #expect(text(queue.contents) == "0\r\n\r\n0\r\n\r\n")
    let other = OutboundQueue(pool: pool)
    HTTP1Encoder.lastChunk(
      trailers: head([
        ("x-a", "1"), ("content-length", "9"), ("host", "h"), ("transfer-encoding", "chunked"),
        ("trailer", "x"), ("expect", "y"), ("connection", "close"), ("x-b", ""),
      ]), to: other)
    #expect(text(other.contents) == "0\r\nx-a: 1\r\nx-b: \r\n\r\n")
  }

  @Test func whatIsWrittenReadsBack() throws {
    var random = SeededRandom(1)
    for _ in 0..<200 {
      let fields = (0..<Int.random(in: 0...30, using: &random)).map { index in
        ("x-\(index)", String(repeating: "v", count: Int.random(in: 0...200, using: &random)))
      }
      let reading = readRequest(request(fields, framing: .chunked))
      let facts = try #require(reading.facts)
      #expect(facts.fields.count == fields.count + 2)
      for (name, value) in fields { #expect(facts.value(name) == value) }
      #expect(facts.isChunked && text(facts.authority) == "host:1")
    }
  }

  @Test func chunksReadBack() {
    let queue = OutboundQueue(pool: pool)
    var expected: [UInt8] = []
    for size in [1, 2, 15, 16, 17, 300, 5000] {
      let data = [UInt8](repeating: UInt8(size & 0xff), count: size)
      HTTP1Encoder.chunkStart(size, to: queue)
      queue.append(copying: data, count: size)
      HTTP1Encoder.chunkEnd(to: queue)
      expected += data
    }
    HTTP1Encoder.lastChunk(trailers: nil, to: queue)
    let reading = ChunkedDecoderTests.decode(queue.contents)
    #expect(reading.body == expected)
    #expect(reading.end == .trailers)
  }
}

extension HeaderNameTable {
  /// The number of a lower-case name, as the parser finds it.
  func find(_ name: String) -> HeaderID {
    withView(name) { view in
      var hash = HeaderNameTable.hashSeed
      for index in 0..<view.count { hash = HeaderNameTable.hash(hash, view[index]) }
      return lookup(view.base, view.count, hash: hash)
    }
  }
}
