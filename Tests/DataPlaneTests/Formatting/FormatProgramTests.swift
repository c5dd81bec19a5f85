// Formats, compiled and written over a request that is made up.
import Model
import Testing

@testable import DataPlane

/// A request with everything that formats can ask for.
final class FormatFixture {
  let worker: WorkerContext
  let request = MessageHead()
  let response = MessageHead()
  let trailers = MessageHead()
  var info = StreamInfo()

  init() throws {
    worker = try testContext()
    let now = worker.reactor.now
    info = StreamInfo(start: now - 5_000_000)
    info.responseCode = 200
    info.lastDownstreamReceived = now - 4_000_000
    info.firstUpstreamSent = now - 3_500_000
    info.lastUpstreamSent = now - 3_000_000
    info.firstUpstreamReceived = now - 2_000_000
    info.lastDownstreamSent = now
    info.bodyReceived = 7
    info.bodySent = 9
    response.status = 200
    add("x-a", "one", to: request)
    add("x-a", "two", to: request)
    add("content-type", "application/grpc+proto", to: request)
    add("x-r", "r", to: response)
    add("grpc-status", "5", to: trailers)
    set(&request.methodText, "GET")
    set(&request.path, "/p/q?a=1&b=%41%2")
    set(&request.authority, "host")
  }

  private var kept: [OwnedText] = []
  func text(_ string: String) -> ByteView {
    kept.append(OwnedText(string))
    return kept[kept.count - 1].view
  }
  private func set(_ view: inout ByteView, _ string: String) { view = text(string) }

  func add(_ name: String, _ value: String, to head: MessageHead) {
    let id = worker.names.intern(Array(name.utf8)) ?? .unknown
    head.headers.addCopy(id, name: text(name), value: text(value))
  }

  func with<Result>(_ body: (inout FormatContext) -> Result) -> Result {
    withUnsafeMutablePointer(to: &info) { info in
      var context = FormatContext(
        worker: worker, request: request, response: response, trailers: trailers, connection: nil,
        info: info)
      return body(&context)
    }
  }

  func write(_ format: FormatString) -> String {
    let program = FormatProgram(format, names: worker.names)
    let out = TextBuffer(capacity: 8)
    with { program.write(&$0, to: out) }
    return out.view.string
  }

  func write(_ text: String, omit: Bool = false) throws -> String {
    var format = FormatString(.text(try FormatParser.parse(text)))
    format.omitEmptyValues = omit
    return write(format)
  }
}

struct FormatProgramTests {
  @Test(arguments: [
    ("%REQ(x-a)%|%REQ(no?x-a)%|%REQ(no)%|%REQ(x-a):2%", "one|one|-|on"),
    ("%REQ(:method)% %REQ(:path)% %REQ(:authority)% %REQ(:scheme)%", "GET /p/q?a=1&b=%41%2 host http"),
    ("%RESP(x-r)%|%RESP(:status)%|%TRAILER(grpc-status)%", "r|200|5"),
    ("%PATH(NQ)%|%PATH(WQ:ORIG)%|%REQ_WITHOUT_QUERY(:path)%", "/p/q|-|/p/q"),
    ("%QUERY_PARAM(b)%|%QUERY_PARAM(c)%|%QUERY_PARAMS(DECODED)%", "A%2|-|a=1&b=A%2"),
    (
      "%DURATION%|%REQUEST_DURATION%|%REQUEST_TX_DURATION%|%RESPONSE_DURATION%|%RESPONSE_TX_DURATION%",
      "5|1|2|3|2"
    ),
    (
      "%COMMON_DURATION(US_TX_BEG:US_TX_END:us)%|%COMMON_DURATION(US_TX_END:DS_RX_BEG)%|%COMMON_DURATION(x:y)%",
      "500|-|-"
    ),
    ("%BYTES_RECEIVED%|%BYTES_SENT%|%BYTES_RETRANSMITTED%", "7|9|0"),
    ("%PROTOCOL%|%UPSTREAM_PROTOCOL%|%RESPONSE_CODE%", "HTTP/1.1|HTTP/1.1|200"),
    ("%GRPC_STATUS%|%GRPC_STATUS(SNAKE_STRING)%|%GRPC_STATUS_NUMBER%", "NotFound|NOT_FOUND|5"),
    ("%UPSTREAM_HOST%|%UPSTREAM_CLUSTER%|%ROUTE_NAME%|%DOWNSTREAM_REMOTE_ADDRESS%", "-|-|-|-"),
    ("%DOWNSTREAM_TLS_VERSION%|%DYNAMIC_METADATA(a)%|%FILTER_STATE(a)%", "-|-|-"),
    (
      "%COALESCE({\"operators\": [{\"command\": \"REQ\", \"param\": \"no\"}, {\"command\": \"REQ\", \"param\": \"x-a\"}]}):1%",
      "o"
    ),
  ])
  func text(_ format: String, _ expected: String) throws {
    #expect(try FormatFixture().write(format) == expected)
  }

  @Test func whatIsMissingIsLeftOut() throws {
    #expect(try FormatFixture().write("[%REQ(no)%][%RESPONSE_FLAGS%]", omit: true) == "[][-]")
  }

  @Test func flagsInTheirOrder() throws {
    let fixture = try FormatFixture()
    fixture.info.flags = [.upstreamRetryLimitExceeded, .upstreamConnectionFailure]
    #expect(
      try fixture.write("%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%")
        == "URX,UF|UpstreamRetryLimitExceeded,UpstreamConnectionFailure")
    fixture.info.flags = [.connectAttemptsExceeded, .upstreamConnectionFailure]
    #expect(try fixture.write("%RESPONSE_FLAGS%") == "UF,URX")
    #expect(ResponseFlags(short: "URX") == [.upstreamRetryLimitExceeded, .connectAttemptsExceeded])
    #expect(ResponseFlags(short: "XX") == nil)
  }

  @Test func detailsWithoutWhiteSpace() throws {
    let fixture = try FormatFixture()
    fixture.info.details = fixture.text("a b\tc")
    #expect(
      try fixture.write("%RESPONSE_CODE_DETAILS%|%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%")
        == "a_b_c|a b\tc")
  }

  @Test func identifiers() throws {
    let fixture = try FormatFixture()
    #expect(try fixture.write("%STREAM_ID%") == "-")
    fixture.add("x-request-id", "the-id", to: fixture.request)
    #expect(try fixture.write("%STREAM_ID%") == "the-id")
    let ids = try fixture.write("%UNIQUE_ID% %UNIQUE_ID%").split(separator: " ")
    #expect(ids.count == 2 && ids[0] != ids[1] && ids[0].count == 36)
  }

  @Test func json() throws {
    let fixture = try FormatFixture()
    fixture.add("x-q", "a\"b\\c\n\u{1}é", to: fixture.request)
    func parsed(_ text: String) throws -> FormatJSON { .text(try FormatParser.parse(text)) }
    let value = FormatJSON.object([
      .init(key: "a\"", value: try parsed("%REQ(x-q)%")),
      .init(key: "b", value: try parsed("%RESPONSE_CODE%")),
      .init(key: "c", value: try parsed("%REQ(no)%")),
      .init(key: "d", value: try parsed("%REQ(no)%x%RESPONSE_CODE%")),
      .init(key: "e", value: .list([.number(1), .number(1.5), .bool(true), .null, try parsed("plain")])),
      .init(key: "f", value: .object([.init(key: "g", value: try parsed("%REQ(no)%"))])),
    ])
    var format = FormatString(.json(value))
    #expect(
      fixture.write(format)
        == #"{"a\"":"a\"b\\c\n\u0001é","b":200,"c":null,"d":"-x200","e":[1,1.5,true,null,"plain"],"f":{"g":null}}"#
        + "\n")
    format.omitEmptyValues = true
    #expect(
      fixture.write(format)
        == #"{"a\"":"a\"b\\c\n\u0001é","b":200,"d":"x200","e":[1,1.5,true,"plain"]}"# + "\n")
    format.shape = .json(.object([.init(key: "c", value: try parsed("%REQ(no)%"))]))
    #expect(fixture.write(format) == "{}\n")
  }

  @Test func jsonOfBytesThatAreNoText() throws {
    let buffer = TextBuffer(capacity: 4)
    for bytes in [[0xff, 0x41], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]] as [[UInt8]] {
      buffer.clear()
      for byte in bytes { buffer.append(byte) }
      JSONText.escape(buffer, from: 0)
      #expect(JSONText.isUTF8(buffer.view))
      #expect(buffer.view.string.contains("\\u00"))
    }
    buffer.clear()
    for byte in "aé€😀".utf8 { buffer.append(byte) }
    JSONText.escape(buffer, from: 0)
    #expect(buffer.view.string == "aé€😀")
  }
}

struct FormatAddressTextTests {
  private func written(_ address: SocketAddress) -> String {
    let buffer = TextBuffer(capacity: 4)
    AddressText.write(address, to: buffer)
    return buffer.view.string
  }

  @Test func asTheModelWritesThem() {
    var random = RandomSource()
    var addresses: [IPAddress] = [
      .anyV4, .anyV6, IPAddress(v6High: 0, low: 1), IPAddress(v6High: 0, low: 0xffff_0102_0304),
    ]
    for _ in 0..<2000 {
      // Sparse groups, so that runs of zeros come often.
      var groups: [UInt64] = []
      for _ in 0..<8 { groups.append(random.next(below: 3) == 0 ? random.next(below: 65_536) : 0) }
      addresses.append(
        IPAddress(
          v6High: groups[0..<4].reduce(0) { $0 << 16 | $1 }, low: groups[4..<8].reduce(0) { $0 << 16 | $1 }))
      addresses.append(IPAddress(v4: UInt32(truncatingIfNeeded: random.next())))
    }
    for ip in addresses {
      // Those of the lowest 32 bits have dots in formats and in headers, as in Envoy (inet_ntop).
      if ip.family == .v6, ip.high == 0, ip.low >> 32 == 0, ip.low > 0xffff { continue }
      let address = SocketAddress.ip(ip, port: 80)
      #expect(written(address) == address.description)
    }
    for address in [SocketAddress.unix(path: "/a/b", mode: 0), .unixAbstract(name: "n")] {
      #expect(written(address) == address.description)
    }
  }

  @Test func prefixes() throws {
    let buffer = TextBuffer()
    let address = SocketAddress.ip(try #require(IPAddress("10.1.2.3")), port: 1)
    AddressText.writeWithoutPort(address, prefix: 16, to: buffer)
    buffer.append(" ")
    AddressText.writeWithoutPort(address, prefix: 64, to: buffer)
    buffer.append(" ")
    AddressText.writeWithoutPort(address, prefix: -1, to: buffer)
    #expect(buffer.view.string == "10.1.0.0/16 10.1.2.3/32 10.1.2.3")
  }
}

struct CompiledTimeTests {
  private func written(_ format: String, _ nanoseconds: Int64) -> String {
    var clock = WallClock()
    let buffer = TextBuffer(capacity: 4)
    CompiledTime(TimeFormat(format, isLocal: false)).write(nanoseconds, clock: &clock, to: buffer)
    return buffer.view.string
  }

  @Test(arguments: [
    ("", "2016-04-15T20:17:00.310Z"), ("%s.%3f", "1460751420.310"), ("%f|%1f|%9f", "310042000|3|310042000"),
    ("%E3S|%E*S|%E0S|%E*f|%E2f", "00.310|00.310042|00|310042|31"),
    ("%Y/%m/%d %H:%M:%S %z %Z", "2016/04/15 20:17:00 +0000 UTC"),
    ("%Ez %E*z %E4Y%ET%H", "+00:00 +00:00:00 2016T20"), ("100%%", "100%"), ("%a %b %e %j", "Fri Apr 15 106"),
  ])
  func formats(_ format: String, _ expected: String) {
    #expect(written(format, 1_460_751_420_310_042_000) == expected)
  }

  @Test func beforeTheEpoch() { #expect(written("", -1_000_000) == "1969-12-31T23:59:59.999Z") }
}
