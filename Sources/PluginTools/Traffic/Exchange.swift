// Requests and answers that are played to a filter: the ordinary kinds, the odd ones, and some that are made
// of the words in the filter's own configuration, since a filter that looks for a word is to find it.

struct Exchange: Sendable {
  var name: String
  var request: Message
  var response: Message
  /// The upstream closes after the first piece of its answer.
  var breaks = false

  var method: String { String(request.start.prefix { $0 != " " }) }
  /// Both messages have a body and trailers.
  var isFull: Bool { !request.trailers.isEmpty && !response.trailers.isEmpty }

  private static func ok(_ status: String = "200 OK", _ headers: [(String, String)] = []) -> Message {
    Message("HTTP/1.1 " + status, [("content-type", "text/plain")] + headers)
  }

  private static func get(_ path: String = "/", _ headers: [(String, String)] = []) -> Message {
    Message("GET \(path) HTTP/1.1", [("host", "check.example")] + headers)
  }

  private static func post(_ path: String = "/form", _ headers: [(String, String)] = []) -> Message {
    Message(
      "POST \(path) HTTP/1.1", [("host", "check.example"), ("content-type", "text/plain")] + headers)
  }

  private static func text(_ words: [String], _ random: inout SeededRandom, size: Int) -> [UInt8] {
    let common = ["order", "4111111111111111", "x", "password", "1234567", "\r\n", "\u{e9}", "name=value"]
    var bytes: [UInt8] = []
    while bytes.count < size {
      let all = random.below(2) == 0 || words.isEmpty ? common : words
      bytes += Array((all[random.below(all.count)] + " ").utf8)
    }
    return bytes
  }

  /// All kinds, drawn anew from `random`. `words`: of the filter's configuration.
  static func all(words: [String], _ random: inout SeededRandom) -> [Exchange] {
    let trailers = [("x-checksum", "4711"), ("x-more", "yes")]
    func body(_ size: Int) -> [UInt8] { text(words, &random, size: size) }
    var odd = get("/caf%C3%A9/..;a=b?q=%00&q=2&empty=", [("x-long", String(repeating: "v", count: 4000))])
    odd.headers += [
      ("x-bytes", [0xff, 0xfe, 0x41]), ("x-twice", Array("1".utf8)), ("x-twice", Array("2".utf8)),
    ]
    odd.headers.append(("x-empty", []))
    var oddAnswer = ok("200 OK", [("set-cookie", "a=1"), ("set-cookie", "b=2")])
    oddAnswer.headers.append(("x-bytes", [0x80, 0xc3, 0x28]))
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")]
    var list = [
      Exchange(name: "GET", request: get(), response: ok().with(body(60), .length)),
      Exchange(
        name: "GET, answer with trailers", request: get("/a"),
        response: ok().with(body(300), .chunked, trailers: trailers)),
      Exchange(
        name: "POST", request: post().with(body(300), .length), response: ok().with(body(100), .length)),
      Exchange(
        name: "POST with trailers, both ways", request: post().with(body(400), .chunked, trailers: trailers),
        response: ok("201 Created").with(body(400), .chunked, trailers: trailers)),
      Exchange(name: "HEAD", request: get().method("HEAD"), response: ok().with([], .length)),
      Exchange(name: "204", request: get("/nothing"), response: ok("204 No Content")),
      Exchange(
        name: "304", request: get("/same", [("if-none-match", "\"1\"")]), response: ok("304 Not Modified")),
      Exchange(
        name: "POST without bytes", request: post().with([], .length), response: ok().with([], .length)),
      Exchange(
        name: "chunked without bytes", request: post().with([], .chunked), response: ok().with([], .chunked)),
      Exchange(name: "odd bytes", request: odd, response: oddAnswer.with([0, 255, 128, 10], .length)),
      Exchange(
        name: "large bodies", request: post("/large").with(body(90_000), .length),
        response: ok().with(body(90_000), .chunked)),
      Exchange(name: "no upstream", request: get("/dead"), response: ok()),
      Exchange(
        name: "gRPC",
        request: Message("POST /p.S/M HTTP/1.1", [("host", "check.example")] + grpc)
          .with([0, 0, 0, 0, 2, 8, 1], .chunked),
        response: Message("HTTP/1.1 200 OK", grpc).with(
          [0, 0, 0, 0, 2, 8, 1], .chunked, trailers: [("grpc-status", "0")])),
      Exchange(
        name: "500", request: get("/fails"), response: ok("500 Internal Server Error").with(body(50), .length)
      ),
      Exchange(
        name: "broken answer", request: get("/breaks"), response: ok().with(body(3000), .length), breaks: true
      ),
    ]
    // What the configuration speaks of: as headers, values, paths.
    let names = words.filter { $0.utf8.allSatisfy { $0.isTokenByte } && !$0.isEmpty && $0.utf8.count < 60 }
    var spoken = post("/" + (names.first ?? "word"))
    for word in names.prefix(8)
    where !["host", "content-length", "transfer-encoding", "te"].contains(word.lowercased())
      && !word.hasPrefix(":")
    {
      spoken.headers.append(
        (word.lowercased(), Array((words.last ?? word).utf8.filter { $0 >= 32 && $0 != 127 })))
    }
    list.append(
      Exchange(
        name: "words of the configuration", request: spoken.with(body(500), .chunked),
        response: ok().with(body(500), .length)))
    return list
  }
}

extension Message {
  func method(_ name: String) -> Message {
    var copy = self
    copy.start = name + start.drop { $0 != " " }
    return copy
  }
}

extension UInt8 {
  /// RFC 9110 section 5.6.2, lower-case letters or not.
  var isTokenByte: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(self)
    }
  }
}
