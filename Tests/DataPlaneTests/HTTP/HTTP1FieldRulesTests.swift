// What framing fields say, and what Connection may take away.
import Testing

@testable import DataPlane

@Suite struct HTTP1FieldRulesTests {
  private func head(_ fields: String) -> HeadFacts? {
    readRequest("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").facts
  }

  @Test func connectionOptions() throws {
    let both = try #require(head("Connection: Close ,, KEEP-alive\r\n"))
    #expect(both.close && both.keepAlive && !both.upgrade && !both.nominates)
    let several = try #require(head("Connection: upgrade\r\nConnection: x-a\r\n"))
    #expect(several.upgrade && several.nominates && !several.close)
    let none = try #require(head("Connection: ,\t,\r\n"))
    #expect(!none.close && !none.keepAlive && !none.upgrade && !none.nominates)
    #expect(try #require(head("Connection: closed\r\n")).close == false)
  }

  @Test func expectations() throws {
    #expect(try #require(head("Expect: 100-Continue\r\n")).expectsContinue)
    #expect(try #require(head("Expect: 200-ok\r\n")).expectsContinue == false)
  }

  @Test(arguments: [("0", 0), ("007", 7), ("9223372036854775807", Int64.max)] as [(String, Int64)])
  func contentLengths(_ text: String, _ value: Int64) throws {
    #expect(try #require(head("Content-Length: \(text)\r\n")).contentLength == value)
  }

  @Test func tokens() {
    var found: [String] = []
    withView(" a,b ,\tc\t,, d e ,") { list in
      HTTP1FieldRules.forEachToken(list) { found.append($0.string) }
    }
    #expect(found == ["a", "b", "c", "d e"])
  }

  @Test func nominatedFieldsGoAndFramingFieldsStay() {
    let head = MessageHead()
    let names = HeaderNameTable()
    var input = bytes(
      "POST / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nContent-Length: 3\r\nX-Two: 2\r\nx-three: 3\r\n"
        + "Connection: x-ONE, content-length, host, Keep-Alive\r\nKeep-Alive: 5\r\n"
        + "Connection: x-three\r\n\r\n")
    input.withUnsafeMutableBufferPointer { buffer in
      var parser = HTTP1HeadParser(.request)
      _ = parser.parse(
        buffer.baseAddress.unsafelyUnwrapped, buffer.count, into: head, names: names,
        limits: .init(maxBytes: 1000, maxHeaders: 20))
      HTTP1FieldRules.removeNominated(head)
      #expect(
        HeadFacts(head).fields.map(\.name)
          == ["host", "content-length", "x-two", "connection", "connection"])
      #expect(head.contentLength == 3)
    }
  }
}
