// Filters for the tests, as an author writes them: no unsafe code, no C.
import MartletSDK

/// JSON configuration, a header, a counter.
struct Greeting: HTTPFilter, OnResponseHeaders {
  static let name = "test.greeting"

  struct Options: JSONConfiguration {
    static let typeName = "test.Greeting"
    var text: String
    var repeats: Int?
    var tags: [String]?
    var nested: Nested?
    struct Nested: Decodable { var deep: UInt8 }
  }

  final class Settings: FilterSettings {
    let header: HeaderName
    let text: FrozenBytes
    let greeted: Counter

    init(_ options: Options, _ scope: inout ConfigurationScope) throws {
      if options.text.isEmpty { scope.refuse("must not be empty", at: "text") }
      if options.repeats ?? 1 > 9 { scope.refuse("expected at most 9", at: "repeats") }
      if options.tags?.isEmpty == true { scope.warn("is without effect", at: "tags") }
      header = try scope.header("X-Greeting")
      text = FrozenBytes(options.text)
      greeted = try scope.counter("greeted")
    }
  }

  init(_ stream: inout HTTPStream, _ settings: Settings) {}

  mutating func onResponseHeaders(
    _ stream: inout HTTPStream, _ settings: Settings, end: Bool
  ) -> HeadersStatus {
    stream.responseHeaders.set(settings.header, settings.text)
    stream.add(to: settings.greeted)
    return .continue
  }
}

/// All hooks, a worker, routes; says what it sees.
struct Everything: HTTPFilter, OnRequestHeaders, OnRequestBody, OnRequestTrailers, OnResponseHeaders,
  OnResponseBody, OnResponseTrailers, OnTimer, OnWake, OnComplete, OnBackPressure
{
  static let name = "test.everything"
  typealias Shared = Worker

  struct Options: JSONConfiguration {
    var format: String?
    var pattern: String?
    var family: String?
  }

  final class Settings: FilterSettings {
    let format: Format?
    let pattern: RegularExpression?
    let share: RuntimeKey
    let family: CounterFamily
    let active: Gauge
    let sizes: Histogram

    init(_ options: Options, _ scope: inout ConfigurationScope) throws {
      format = try options.format.map { try scope.format($0, at: "format") }
      pattern = try options.pattern.map { try scope.regularExpression($0, at: "pattern") }
      share = try scope.runtimeKey("everything.share")
      family = try scope.counterFamily(options.family ?? "requests", labels: ["method"])
      active = try scope.gauge("active")
      sizes = try scope.histogram("sizes", relative: false)
      scope.log(.info, "prefix \(scope.statPrefix) node \(scope.node.id)")
    }
  }

  final class RouteSettings: FilterSettings {
    struct Options: JSONConfiguration { var name: String }
    let name: String
    init(_ options: Options, _ scope: inout ConfigurationScope) throws { name = options.name }
  }

  final class Worker: FilterWorker {
    let settings: Settings
    var streams = 0
    var timers: [Int] = []
    init(_ worker: inout WorkerScope, _ settings: Settings) {
      self.settings = settings
      worker.setTimer(1, milliseconds: 10)
    }
    func onTimer(_ worker: inout WorkerScope, timer: Int) {
      timers.append(timer)
      worker.log(.info, "worker timer \(timer)")
    }
  }

  var seen: [String] = []

  init(_ stream: inout HTTPStream, _ worker: Worker) {
    worker.streams += 1
    stream.add(to: worker.settings.active)
  }

  mutating func onRequestHeaders(
    _ stream: inout HTTPStream, _ worker: Worker, end: Bool
  ) -> HeadersStatus {
    let headers = stream.requestHeaders
    seen.append("head \(headers.count) \(end)")
    if let method = headers[":method"], let counter = stream.series(of: worker.settings.family, method) {
      stream.add(to: counter)
    }
    if let format = worker.settings.format { headers.add("x-format", stream.text(of: format)) }
    if let pattern = worker.settings.pattern, let path = headers[":path"] {
      headers.set("x-matches", stream.matches(pattern, path) ? "yes" : "no")
      if let other = stream.replacing(pattern, in: path, with: "<\\0>") { headers.set("x-replaced", other) }
    }
    let names = stream.withRouteSettings(RouteSettings.self, level: 0) { $0.name }
    if let names { headers.add("x-route", names) }
    if stream.runtimeShare(worker.settings.share, numerator: 1, denominator: 100, random: stream.random) {
      headers.set("x-share", "in")
    }
    stream.setMetadata("everything", "streams", to: Double(worker.streams))
    stream.setFilterState("everything.state", to: "kept")
    headers.remove("x-gone")
    switch String(headers["x-do"]) {
    case "reply"?:
      stream.reply(
        LocalReply(status: 403, headers: [("x-why", "told")], body: "no", details: "denied", grpcStatus: 7))
      return .stop
    case "reset"?:
      stream.reset()
      return .stop
    case "wait"?:
      stream.setTimer(3, milliseconds: 25)
      return .stopAllSlowing
    case "wake"?:
      let waker = stream.waker
      waker.wake(42)
      return .stop
    case "route"?:
      stream.setCluster("other")
      stream.clearRoute()
      return .continue
    default: return .continue
    }
  }

  mutating func onRequestBody(_ stream: inout HTTPStream, _ worker: Worker, end: Bool) -> BodyStatus {
    var body = stream.requestBody
    stream_count(body.count)
    guard end else { return .stop }
    let text = String(decoding: body.copy(), as: UTF8.self)
    body.replace(with: "[\(text.uppercased())]")
    body.append("!")
    body.drain(1)
    return .continue
  }

  private mutating func stream_count(_ count: Int) { seen.append("body \(count)") }

  mutating func onRequestTrailers(_ stream: inout HTTPStream, _ worker: Worker) -> TrailersStatus {
    stream.requestTrailers.add("x-seen", seen.joined(separator: "|"))
    return .continue
  }

  mutating func onResponseHeaders(_ stream: inout HTTPStream, _ worker: Worker, end: Bool) -> HeadersStatus {
    let headers = stream.responseHeaders
    if let value = headers["x-list"] { headers.append("x-list", value) }
    var index = 0
    while let field = headers.field(at: index) {
      if field.name.hasPrefix("x-secret") { headers.remove(field.name) } else { index += 1 }
    }
    if end {
      var body = stream.responseBody
      body.append("made")
      stream.createTrailers(.response)
      stream.responseTrailers.set("x-trailer", "t")
    }
    return .continue
  }

  mutating func onResponseBody(_ stream: inout HTTPStream, _ worker: Worker, end: Bool) -> BodyStatus {
    stream.setTimer(0, milliseconds: 50)
    return .stopSlowing
  }

  mutating func onResponseTrailers(_ stream: inout HTTPStream, _ worker: Worker) -> TrailersStatus {
    stream.responseTrailers.remove("x-gone")
    return .stop
  }

  mutating func onTimer(_ stream: inout HTTPStream, _ worker: Worker, timer: Int) {
    if timer == 0 {
      stream.pass(.response, count: min(4, stream.heldBytes(.response)))
      stream.setTimer(0, milliseconds: 50)
    } else {
      stream.cancelTimer(0)
      stream.resume(.request)
    }
  }

  mutating func onWake(_ stream: inout HTTPStream, _ worker: Worker, token: UInt64) {
    stream.requestHeaders.set("x-token", "\(token)")
    stream.resume(.request)
  }

  mutating func onBackPressure(_ stream: inout HTTPStream, _ worker: Worker, stop: Bool) {
    stream.log(.debug, "pressure \(stop)")
  }

  mutating func onComplete(_ stream: inout HTTPStream, _ worker: Worker, result: StreamResult) {
    stream.subtract(from: worker.settings.active)
    stream.record(UInt64(seen.count), in: worker.settings.sizes)
    let state = String(stream.filterState("everything.state")) ?? "-"
    let streams = String(stream.metadata("everything", "streams")) ?? "-"
    stream.log(.info, "complete \(result) \(state) \(streams)")
  }
}

/// A network filter: lines in upper case; "quit" closes.
struct Shout: NetworkFilter, OnNewConnection, OnData, OnClose {
  static let name = "test.shout"
  static let isTerminal = true
  final class Settings: FilterSettings {
    struct Options: JSONConfiguration { var greeting: String? }
    let greeting: String?
    init(_ options: Options, _ scope: inout ConfigurationScope) throws { greeting = options.greeting }
  }

  init(_ connection: inout NetworkConnection, _ settings: Settings) {}

  mutating func onNewConnection(_ connection: inout NetworkConnection, _ settings: Settings) -> NetworkStatus
  {
    if let greeting = settings.greeting { connection.write(greeting) }
    return .continue
  }

  mutating func onData(_ connection: inout NetworkConnection, _ settings: Settings, end: Bool)
    -> NetworkStatus
  {
    guard let newline = connection.received.firstIndex(of: 10) else { return .stop }
    let line = String(connection.received.slice(0..<newline))
    connection.drainReceived(newline + 1)
    connection.write(line.uppercased() + "\n", end: end)
    if line == "quit" { connection.close() }
    return .stop
  }

  mutating func onClose(_ connection: inout NetworkConnection, _ settings: Settings) {
    connection.log(.info, "closed")
  }
}

/// Operators with a configuration and an argument that is a format.
final class Words: FormatOperator {
  static let name = "test.words"
  static let operators = ["TWICE", "COUNT"]

  struct Options: JSONConfiguration {
    static let typeName = "test.Words"
    var between: String
  }

  final class Settings: FilterSettings {
    let between: String
    init(_ options: Options, _ scope: inout ConfigurationScope) throws { between = options.between }
  }

  private let counts: Bool
  private let argument: Format
  private let written: Counter

  init(_ name: String, argument: String?, _ settings: Settings, _ scope: inout ConfigurationScope) throws {
    guard let argument else { throw ConfigurationError("it needs an argument") }
    counts = name == "COUNT"
    self.argument = try scope.format(argument, at: "argument")
    written = try scope.counter("words.written", relative: false)
  }

  var kind: OperatorValueKind { counts ? .number : .text }

  func value(_ stream: borrowing FormatStream, _ settings: Settings, to value: inout OperatorValue) -> Bool {
    let text = stream.text(of: argument)
    if text.isEmpty { return false }
    stream.add(to: written)
    if counts {
      value.append("\(text.count)")
    } else {
      value.append(text)
      value.append(settings.between)
      value.append(text)
      value.append(UInt8(ascii: "!"))
    }
    return stream.requestHeaders.set("x-a", "b") != .ok || !settings.between.isEmpty
  }
}

/// What a plugin's one line makes.
func martletPlugin(_ minor: UInt32) -> PluginEntry {
  Plugin.entry(
    id: "test.plugin", version: "1.2.3", .http(Greeting.self), .http(Everything.self), .network(Shout.self),
    .formatOperators(Words.self))
}
