// Format strings: what the operators mean, and what is refused with which words.
import Model
import Testing

struct FormatParserTests {
  private func one(_ text: String) throws -> FormatValue? {
    guard case .value(let value)? = try FormatParser.parse(text).first else { return nil }
    return value
  }

  @Test func textAndOperators() throws {
    let elements = try FormatParser.parse("a%%b %REQ(X-Y?:Path):12% c")
    #expect(
      elements == [
        .text("a%b "),
        .value(FormatValue(.requestHeader("x-y", alternative: ":path"), maxLength: 12)), .text(" c"),
      ])
    #expect(try FormatParser.parse("").isEmpty)
  }

  @Test(arguments: [
    ("%RESP(a)%", FormatOperator.responseHeader("a", alternative: nil)),
    ("%TRAILER(a?b)%", .responseTrailer("a", alternative: "b")),
    ("%PATH(NQ:ORIG)%", .path(withQuery: false, source: .original)),
    ("%PATH%", .path(withQuery: true, source: .originalOrPath)),
    ("%QUERY_PARAMS(DECODED)%", .queryParameters(decoded: true)),
    ("%DURATION%", .totalDuration),
    (
      "%COMMON_DURATION(DS_RX_BEG:US_TX_END:us)%",
      .duration(from: .downstreamReceiveBegin, to: .upstreamSendEnd, .microseconds)
    ),
    ("%COMMON_DURATION(x:DS_TX_END)%", .duration(from: .never, to: .downstreamSendEnd, .milliseconds)),
    ("%RESPONSE_FLAGS_LONG%", .responseFlags(long: true)),
    ("%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(16)%", .address(.upstreamLocal, .withoutPort(prefix: 16))),
    ("%DOWNSTREAM_DIRECT_REMOTE_PORT%", .address(.downstreamDirectRemote, .port)),
    ("%UPSTREAM_HOST_NAME_WITHOUT_PORT%", .upstreamHost(.nameWithoutPort)),
    ("%DYNAMIC_METADATA(a:b:c)%", .metadata(.dynamic, namespace: "a", path: ["b", "c"])),
    ("%DYNAMIC_METADATA([\"a\", \"b\"])%", .metadata(.dynamic, namespace: "a", path: ["b"])),
    ("%METADATA(VIRTUAL_HOST:a)%", .metadata(.virtualHost, namespace: "a", path: [])),
    ("%FILTER_STATE(a:PLAIN)%", .filterState(key: "a", .text)),
    ("%GRPC_STATUS(SNAKE_STRING)%", .grpcStatus(.snake)),
    ("%DOWNSTREAM_TLS_VERSION%", .absent(.text)),
    ("%BYTES_RETRANSMITTED%", .zero),
    (
      "%COALESCE({\"operators\": [\"PROTOCOL\", {\"command\": \"REQ\", \"param\": \"a\", \"max_length\": 2}]})%",
      .coalesce([FormatValue(.protocol), FormatValue(.requestHeader("a", alternative: nil), maxLength: 2)])
    ),
  ])
  func meaning(_ text: String, _ expected: FormatOperator) throws {
    #expect(try one(text)?.name == expected)
  }

  @Test(arguments: [
    ("%", "expected the name of an operator"), ("50% off", "expected the name of an operator"),
    ("%REQ(a", "expected `)`"), ("%REQ(a)", "expected `%`"), ("%REQ(a):x%", "expected a length"),
    ("%REQ%", "needs a parameter"), ("%PROTOCOL(a)%", "takes no parameter"),
    ("%PROTOCOL:3%", "takes no length"), ("%PROTOCL%", "did you mean %PROTOCOL%?"),
    ("%REQ(a?b?c)%", "one alternative header"), ("%REQ(a\nb)%", "no line break"),
    ("%START_TIME(%n)%", "no line break"), ("%COMMON_DURATION(a)%", "expected START:END"),
    ("%COMMON_DURATION(a:b:s)%", "ms, us or ns"), ("%PATH(X)%", "WQ or NQ"),
    ("%PATH(NQ:X)%", "ORIG, PATH"), ("%QUERY_PARAMS(X)%", "ORIG or DECODED"),
    ("%GRPC_STATUS(X)%", "CAMEL_STRING"), ("%RESPONSE_CODE_DETAILS(X)%", "ALLOW_WHITESPACES"),
    ("%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(129)%", "from 0 to 128"),
    ("%METADATA(X:a)%", "VIRTUAL_HOST"), ("%FILTER_STATE(a:FIELD)%", "FIELD needs"),
    ("%FILTER_STATE(a:X)%", "PLAIN, TYPED or FIELD"), ("%CEL(a)%", "CEL"),
    ("%COALESCE(x)%", "a JSON object"), ("%COALESCE({\"operators\":[]})%", "one operator or more"),
    ("%COALESCE({\"operators\":[{}]})%", "`command`"),
    ("%COALESCE({\"operators\":[\"NO\"]})%", "no such operator"),
    ("%COALESCE({\"operators\":[{\"command\":\"REQ\",\"param\":\"a\",\"x\":1}]})%", "`x` is none of"),
  ])
  func refused(_ text: String, _ words: String) {
    do throws(FormatError) {
      _ = try FormatParser.parse(text)
      Issue.record("\(text) was taken")
    } catch {
      #expect(error.message.contains(words), "\(error.message)")
    }
  }

  @Test func times() {
    #expect(
      TimeFormat("%s.%3f %E*S%Ez%% %Y", isLocal: false).parts == [
        .epochSeconds, .text("."), .fraction(digits: 3), .text(" "), .seconds(digits: nil),
        .offset(withSeconds: false), .text("% "), .specifier("%Y"),
      ])
    #expect(TimeFormat("", isLocal: true).parts.isEmpty)
    #expect(TimeFormat("%-n", isLocal: false).hasLineBreak)
    #expect(!TimeFormat("%a", isLocal: false).hasLineBreak)
  }
}
