// The head parser: good heads of each kind, every error, limits, and that the way in which bytes
// come makes no difference.
import Testing

@testable import DataPlane

@Suite struct HTTP1HeadParserTests {
  static let request = """
    GET /a/b?c=d HTTP/1.1\r
    Host: Example.com:8080\r
    X-Empty:\r
    X-Spaces: \t a b \t \r
    Accept: */*\r
    Content-Length: 12\r
    Connection: keep-alive, X-Own\r
    X-Own: \u{e9}\r
    \r\n
    """
  static let response = """
    HTTP/1.1 404 Not Found at all\r
    Content-Type: text/plain\r
    transfer-encoding: Chunked\r
    Set-Cookie: a=b\r
    Set-Cookie: c=d\r
    \r\n
    """
  static let trailers = "X-Checksum: abc\r\nContent-Length: 7\r\nHost: x\r\n\r\n"

  @Test func aRequest() throws {
    let reading = readHead(.request, bytes(Self.request))
    #expect(reading.outcome == .complete(length: Self.request.utf8.count))
    let facts = try #require(reading.facts)
    #expect(facts.method == .get)
    #expect(facts.methodText == "GET")
    #expect(text(facts.path) == "/a/b?c=d")
    #expect(text(facts.authority) == "Example.com:8080")
    #expect(
      facts.fields.map(\.name) == [
        "host", "x-empty", "x-spaces", "accept", "content-length", "connection", "x-own",
      ])
    #expect(facts.value("x-empty") == "")
    #expect(facts.value("x-spaces") == "a b")
    #expect(facts.value("x-own") == "\u{e9}")
    #expect(facts.contentLength == 12)
    #expect(facts.keepAlive && facts.nominates && !facts.close)
    #expect(facts.minorVersion == 1)
    #expect(facts.hosts == 1)
  }

  @Test func aResponse() throws {
    let reading = readHead(.response, bytes(Self.response))
    #expect(reading.outcome == .complete(length: Self.response.utf8.count))
    let facts = try #require(reading.facts)
    #expect(facts.status == 404)
    #expect(facts.isChunked)
    #expect(facts.fields.map { text($0.value) } == ["text/plain", "Chunked", "a=b", "c=d"])
  }

  @Test func trailersDoNotFrame() throws {
    let facts = try #require(readHead(.trailers, bytes(Self.trailers)).facts)
    #expect(facts.fields.map(\.name) == ["x-checksum", "content-length", "host"])
    #expect(facts.contentLength == -1)
    #expect(facts.hosts == 0)
    #expect(readHead(.trailers, bytes("\r\n")).outcome == .complete(length: 2))
  }

  @Test func theBodyIsNotLookedAt() {
    let whole = Self.request + "\u{0}\n\r more"
    #expect(readHead(.request, bytes(whole)).outcome == .complete(length: Self.request.utf8.count))
  }

  @Test func emptyLinesBeforeARequestArePassedOver() throws {
    let reading = readRequest("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(reading.outcome == .complete(length: 31))
    #expect(text(try #require(reading.facts).path) == "/")
    #expect(readHead(.response, bytes("\r\nHTTP/1.1 200 OK\r\n\r\n")).outcome == .failed(.badStatusLine))
  }

  // MARK: Pieces

  private static let samples: [(HTTP1HeadParser.Kind, String)] = [
    (.request, request), (.response, response), (.trailers, trailers),
    (.request, "\r\nOPTIONS * HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"),
    (.request, "POST http://h/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nUpgrade: x\r\n\r\n"),
    (.request, "GET / HTTP/1.1\r\nHost: a\r\nbad name: x\r\n\r\n"),
    (.request, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    (.request, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    (.response, "HTTP/1.1 99 x\r\n\r\n"),
    (.trailers, "a: b\r\n c\r\n\r\n"),
  ]

  @Test func byteByByteGivesTheSame() {
    for (kind, sample) in Self.samples {
      let input = bytes(sample)
      let whole = readHead(kind, input)
      let cuts = Array(1..<input.count)
      #expect(readHead(kind, input, cuts: cuts) == whole, "\(sample)")
      #expect(readHead(kind, input, cuts: cuts, moving: true) == whole, "\(sample)")
    }
  }

  @Test func everySplitGivesTheSame() {
    for (kind, sample) in Self.samples {
      let input = bytes(sample)
      let whole = readHead(kind, input)
      for cut in 1..<input.count {
        #expect(readHead(kind, input, cuts: [cut]) == whole, "\(sample) at \(cut)")
        #expect(readHead(kind, input, cuts: [cut], moving: true) == whole, "\(sample) moved at \(cut)")
      }
    }
  }

  @Test func everyPairOfSplitsGivesTheSameWhileTheBufferMoves() {
    let input = bytes(Self.request)
    let whole = readHead(.request, input)
    for first in stride(from: 1, to: input.count, by: 5) {
      for second in stride(from: first + 1, to: input.count, by: 7) {
        #expect(readHead(.request, input, cuts: [first, second], moving: true) == whole)
      }
    }
  }

  @Test func knowsWhenNothingHasCome() {
    var parser = HTTP1HeadParser(.request)
    #expect(parser.isFresh)
    var input = bytes("G")
    let outcome = input.withUnsafeMutableBufferPointer {
      parser.parse(
        $0.baseAddress.unsafelyUnwrapped, 1, into: MessageHead(), names: HeaderNameTable(),
        limits: .init(maxBytes: 100, maxHeaders: 10))
    }
    #expect(outcome == .needMore)
    #expect(!parser.isFresh)
  }

  // MARK: Refusals

  @Test(
    arguments: [
      ("GET\r\n\r\n", .badRequestLine),
      (" / HTTP/1.1\r\n\r\n", .badRequestLine),
      ("GET / HTTX/1.1\r\n\r\n", .badRequestLine),
      ("GET /\r\n\r\n", .badRequestLine),
      ("GET / HTTP/1.1 \r\n\r\n", .badRequestLine),
      ("GET  HTTP/1.1\r\n\r\n", .badRequestLine),
      ("G(T / HTTP/1.1\r\n\r\n", .badMethod),
      ("GETT / HTTP/1.1\r\n\r\n", .badMethod),
      ("get / HTTP/1.1\r\n\r\n", .badMethod),
      ("\u{16}\u{3}\u{1}", .badMethod),
      ("GET / HTTP/1.2\r\n\r\n", .badVersion),
      ("GET / HTTP/0.9\r\n\r\n", .badVersion),
      ("GET / HTTP/2.0\r\n\r\n", .badVersion),
      ("GET /a b HTTP/1.1\r\n\r\n", .badTarget),
      ("GET /\u{7f} HTTP/1.1\r\n\r\n", .badTarget),
      ("GET /\u{e9} HTTP/1.1\r\n\r\n", .badTarget),
      ("GET /a#b HTTP/1.1\r\n\r\n", .badTarget),
      ("GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed),
      ("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
      ("\n", .bareLineFeed),
      ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .badHeaderName),
      ("GET / HTTP/1.1\r\n: a\r\n\r\n", .badHeaderName),
      ("GET / HTTP/1.1\r\nHost\r\n\r\n", .badHeaderName),
      ("GET / HTTP/1.1\r\nHo\u{0}st: a\r\n\r\n", .badHeaderName),
      ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", .badHeaderName),
      ("GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n", .badHeaderName),
      ("GET / HTTP/1.1\r\nX: a\u{0}b\r\n\r\n", .badHeaderValue),
      ("GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", .badHeaderValue),
      ("GET / HTTP/1.1\r\nX: 0123456789abcdef\u{7f}\r\n\r\n", .badHeaderValue),
      ("GET / HTTP/1.1\r\nX: 0123456\u{1}89abcdef\r\n\r\n", .badHeaderValue),
      ("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", .badContentLength),
      ("GET / HTTP/1.1\r\nContent-Length: 1,1\r\n\r\n", .badContentLength),
      ("GET / HTTP/1.1\r\nContent-Length:\r\n\r\n", .badContentLength),
      ("GET / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", .badContentLength),
      ("GET / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", .badContentLength),
      ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .repeatedContentLength),
    ] as [(String, HTTP1Error)])
  func refusedWhileReading(_ request: String, _ error: HTTP1Error) {
    #expect(readHead(.request, bytes(request)).outcome == .failed(error))
  }

  @Test(
    arguments: [
      ("Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", .contentLengthWithTransferEncoding),
      ("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n", .contentLengthWithTransferEncoding),
      ("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .repeatedTransferEncoding),
      ("Host: a\r\nTransfer-Encoding: gzip\r\n", .unsupportedTransferEncoding),
      ("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", .unsupportedTransferEncoding),
      ("Host: a\r\nTransfer-Encoding: chunked, chunked\r\n", .unsupportedTransferEncoding),
      ("Host: a\r\nTransfer-Encoding:\r\n", .unsupportedTransferEncoding),
      ("Host: a\r\nTransfer-Encoding: \u{b}chunked\r\n", .badHeaderValue),
      ("X: y\r\n", .missingHost),
      ("Host: a\r\nHost: a\r\n", .repeatedHost),
      ("Host: a b\r\n", .badHost),
      ("Host:\r\n", .badHost),
      ("Host: a,b\r\n", .badHost),
      ("Host: user@a\r\n", .badHost),
      ("Host: a:\r\n", .badHost),
      ("Host: a:65536\r\n", .badHost),
      ("Host: a:8x\r\n", .badHost),
      ("Host: [::1\r\n", .badHost),
      ("Host: []\r\n", .badHost),
      ("Host: [::1]x\r\n", .badHost),
    ] as [(String, HTTP1Error)])
  func refusedAtTheEnd(_ fields: String, _ error: HTTP1Error) {
    #expect(readRequest("POST / HTTP/1.1\r\n" + fields + "\r\n").outcome == .failed(error))
  }

  @Test(arguments: [
    "a", "a.b-c_d~", "A%41", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]:80", "a:0", "a:65535", "*", "a;b=c",
  ])
  func goodHosts(_ host: String) {
    let reading = readRequest("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
    #expect(reading.facts.map { text($0.authority) } == host)
  }

  @Test func transferEncodingInHTTP10() {
    let request = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    #expect(readRequest(request).outcome == .failed(.http10Disabled))
    #expect(
      readRequest(request, .init(acceptHTTP10: true)).outcome == .failed(.transferEncodingInHTTP10))
    #expect(
      readHead(.response, bytes("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")).outcome
        == .failed(.transferEncodingInHTTP10))
  }

  @Test(arguments: [
    "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 OK", "HTTP/1.1 999 ?", "HTTP/1.1 100 \u{e9}",
  ])
  func goodStatusLines(_ line: String) {
    let reading = readHead(.response, bytes(line + "\r\n\r\n"))
    #expect(reading.outcome == .complete(length: line.utf8.count + 4))
  }

  @Test(arguments: [
    "HTTP/1.1 20", "HTTP/1.1 099 x", "HTTP/1.1 2x0 x", "HTTP/1.1 2000", "HTTP/2.0 200 OK", "HTTP/1.1  200",
    "ICY 200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200 a\u{0}b", "http/1.1 200 OK",
  ])
  func badStatusLines(_ line: String) {
    #expect(readHead(.response, bytes(line + "\r\n\r\n")).outcome == .failed(.badStatusLine))
  }

  // MARK: Limits

  @Test func bytesOfAHead() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    let length = head.utf8.count
    func read(_ limit: Int, _ cuts: [Int] = []) -> HTTP1HeadParser.Outcome {
      readHead(.request, bytes(head), cuts: cuts, limits: .init(maxBytes: limit, maxHeaders: 9)).outcome
    }
    #expect(read(length) == .complete(length: length))
    #expect(read(length - 1) == .failed(.headTooLarge))
    #expect(read(length, Array(1..<length)) == .complete(length: length))
    #expect(read(length - 1, Array(1..<length)) == .failed(.headTooLarge))
    // A line without an end is refused as soon as it is over the limit.
    let endless = bytes("GET /" + String(repeating: "a", count: 100))
    #expect(
      readHead(.request, endless, limits: .init(maxBytes: 100, maxHeaders: 9)).outcome
        == .failed(.headTooLarge))
    #expect(
      readHead(.request, endless, limits: .init(maxBytes: 105, maxHeaders: 9)).outcome == .needMore)
  }

  @Test func emptyLinesCountTowardsTheLimit() {
    let input = bytes(String(repeating: "\r\n", count: 60))
    #expect(
      readHead(.request, input, limits: .init(maxBytes: 100, maxHeaders: 9)).outcome
        == .failed(.headTooLarge))
  }

  @Test func numberOfFields() {
    func head(_ count: Int) -> [UInt8] {
      bytes(
        "HTTP/1.1 200 OK\r\n" + (0..<count).map { "x-\($0): \($0)\r\n" }.joined() + "\r\n")
    }
    let limits = HTTP1HeadParser.Limits(maxBytes: 1 << 20, maxHeaders: 100)
    #expect(readHead(.response, head(100), limits: limits).facts?.fields.count == 100)
    #expect(readHead(.response, head(101), limits: limits).outcome == .failed(.tooManyHeaders))
  }

  @Test func aNameOfMoreThan64KiB() {
    let limits = HTTP1HeadParser.Limits(maxBytes: 1 << 20, maxHeaders: 100)
    let name = String(repeating: "n", count: 65_535)
    #expect(
      readHead(.trailers, bytes(name + ": v\r\n\r\n"), limits: limits).facts?.fields.first?.name == name)
    #expect(
      readHead(.trailers, bytes(name + "n: v\r\n\r\n"), limits: limits).outcome == .failed(.badHeaderName))
  }

  @Test func everyErrorHasAText() {
    var raw: UInt8 = 0
    var texts = Set<String>()
    while let error = HTTP1Error(rawValue: raw) {
      texts.insert("\(error.text)")
      raw += 1
    }
    #expect(raw == 23 && texts.count == 23)
  }
}
