// The filters under a host of C tables: which buckets a request is counted by, what it is answered, what is
// counted.
import EnvoyMatchers
import MartletTestHost
import SwiftProtobuf
import Testing

@testable import LocalRateLimit

@Suite(.serialized)
struct LocalRateLimitTests {
  let host = TestHost()
  private let filter = "envoy.filters.http.local_ratelimit"
  private let type = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"

  private func plugin() throws -> TestPlugin { try host.open(localRateLimitPlugin()) }

  private func message(_ fill: (inout LimitMessage) -> Void) -> LimitMessage {
    var message = LimitMessage.with {
      $0.statPrefix = "rl"
      $0.filterEnabled.defaultValue.numerator = 100
      $0.filterEnforced.defaultValue.numerator = 100
    }
    fill(&message)
    return message
  }

  private func configure(_ fill: (inout LimitMessage) -> Void) throws -> TestConfiguration {
    try TestConfiguration(plugin(), http: filter, type: type, encoding: 1, message(fill).serializedBytes())
  }

  private func bucket(_ most: UInt32, _ perFill: UInt32? = nil, seconds: Int64 = 1000) -> BucketMessage {
    .with {
      $0.maxTokens = most
      if let perFill { $0.tokensPerFill = .init(perFill) }
      $0.fillInterval = .init(seconds: seconds)
    }
  }

  private func descriptor(
    _ entries: [(String, String)], _ bucket: BucketMessage, shadow: Bool = false
  ) -> DescriptorMessage {
    .with {
      $0.entries = entries.map { entry in
        .with {
          $0.key = entry.0
          $0.value = entry.1
        }
      }
      $0.tokenBucket = bucket
      $0.shadowMode = shadow
    }
  }

  /// The status that a request gets (200: it passes), and what its response says of limits.
  private func ask(
    _ configuration: TestConfiguration, _ descriptors: [TestDescriptor] = [],
    _ routes: [TestConfiguration] = [], _ downstream: TestDownstream = TestDownstream()
  ) -> (status: Int, limit: [String], stream: TestStream) {
    let stream = TestStream(configuration)
    stream.routes = routes
    stream.descriptors = descriptors
    stream.downstream = downstream
    let status = stream.requestHeaders()
    #expect(status == (stream.reply == nil ? 0 : 3))
    _ = stream.responseHeaders([])
    let limit = ["limit", "remaining", "reset"].flatMap { stream.values("x-ratelimit-\($0)", 2) }
    stream.end()
    return (stream.reply?.status ?? 200, limit, stream)
  }

  private func counter(_ name: String) -> UInt64? { host.metric("rl.http_local_rate_limit.\(name)") }

  private func one(_ entries: (String, String)..., flags: UInt32 = 0, hits: UInt64 = 1) -> TestDescriptor {
    var made = TestDescriptor(entries.map { (key: $0.0, value: $0.1) })
    made.flags = flags
    made.hits = hits
    return made
  }

  @Test func stopsWhatIsTooMuch() throws {
    let configuration = try configure { $0.tokenBucket = bucket(2, 1, seconds: 10) }
    #expect([0, 1, 2].map { _ in ask(configuration).status } == [200, 200, 429])
    host.now += 10_000_000_000
    #expect([0, 1].map { _ in ask(configuration).status } == [200, 429])
    #expect(counter("enabled") == 5 && counter("ok") == 3)
    #expect(counter("rate_limited") == 2 && counter("enforced") == 2 && counter("shadow_mode") == 0)
    configuration.destroy()
  }

  @Test func theAnswer() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(0)
      $0.responseHeadersToAdd = [
        .with {
          $0.header.key = "X-A"
          $0.header.value = "b"
        }
      ]
    }
    let found = ask(configuration)
    #expect(
      found.stream.reply
        == TestReply(
          status: 429, headers: [], body: "local_rate_limited", details: "local_rate_limited", grpcStatus: -1)
    )
    #expect(found.stream.values("x-a", 2) == ["b"] && found.stream.responseFlags == ["RL"])
    #expect(found.stream.values("retry-after", 2) == [])
    configuration.destroy()
  }

  @Test(arguments: [(0, 429), (200, 429), (399, 429), (400, 400), (503, 503)])
  func statuses(_ code: Int, _ status: Int) throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(0)
      $0.status.code = Envoy_Type_V3_StatusCode(rawValue: code)!
      $0.rateLimitedAsResourceExhausted = true
    }
    let found = ask(configuration)
    #expect(found.status == status && found.stream.reply?.grpcStatus == 8)
    configuration.destroy()
  }

  @Test func retryAfter() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(1, 1, seconds: 10)
      $0.enableRetryAfterHeader = true
    }
    #expect(ask(configuration).stream.values("retry-after", 2) == [])
    #expect(ask(configuration).stream.values("retry-after", 2) == ["10"])
    host.now += 9_500_000_000
    #expect(ask(configuration).stream.values("retry-after", 2) == ["1"])
    configuration.destroy()
  }

  @Test func limitsInTheHead() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(9)
      $0.enableXRatelimitHeaders = .draftVersion03
      $0.descriptors = [descriptor([("a", "1")], bucket(2)), descriptor([("a", "2")], bucket(3, 5))]
    }
    #expect(ask(configuration).limit == ["9", "8", "0"])
    #expect(ask(configuration, [one(("a", "1"))]).limit == ["2", "1", "0"])
    // The slowest of those that match comes first.
    #expect(ask(configuration, [one(("a", "2")), one(("a", "1"))]).limit == ["2", "0", "1000"])
    #expect(ask(configuration, [one(("a", "1"), flags: 32)]).limit == [])
    let stopped = ask(configuration, [one(("a", "2")), one(("a", "1"))])
    #expect(stopped.status == 429 && stopped.limit == ["2", "0", "1000"])
    configuration.destroy()
  }

  @Test func descriptorsMatchWhole() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(100)
      $0.enableXRatelimitHeaders = .draftVersion03
      $0.descriptors = [
        descriptor([("a", "1"), ("b", "2")], bucket(10)), descriptor([("a", "1")], bucket(11)),
      ]
    }
    func limit(_ entries: (String, String)...) -> String? {
      ask(configuration, [TestDescriptor(entries.map { (key: $0.0, value: $0.1) })]).limit.first
    }
    #expect(limit(("a", "1"), ("b", "2")) == "10" && limit(("a", "1")) == "11")
    #expect(limit(("b", "2"), ("a", "1")) == "100" && limit(("a", "1"), ("b", "2"), ("c", "")) == "100")
    #expect(limit(("a", "12")) == "100" && limit(("a1", "")) == "100" && limit() == "100")
    configuration.destroy()
  }

  @Test func wildcards() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(1000)
      $0.enableXRatelimitHeaders = .draftVersion03
      $0.descriptors = [descriptor([("a", "")], bucket(2)), descriptor([("a", "x")], bucket(5))]
      $0.maxDynamicDescriptors = .init(2)
    }
    func remaining(_ value: String) -> [String] {
      Array(ask(configuration, [one(("a", value))]).limit.prefix(2))
    }
    #expect(remaining("x") == ["5", "4"])
    #expect(remaining("p") == ["2", "1"] && remaining("p") == ["2", "0"] && remaining("q") == ["2", "1"])
    #expect(remaining("p") == ["2", "0"])
    // The third gives up the least recently used.
    #expect(remaining("") == ["2", "1"])
    #expect(remaining("p") == ["2", "0"] && remaining("q") == ["2", "1"] && remaining("x") == ["5", "3"])
    configuration.destroy()
  }

  @Test func theCommonBucketAlone() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(1)
      $0.descriptors = [descriptor([("a", "1")], bucket(3))]
      $0.alwaysConsumeDefaultTokenBucket = .init(false)
    }
    #expect((0..<4).map { _ in ask(configuration, [one(("a", "1"))]).status } == [200, 200, 200, 429])
    #expect((0..<2).map { _ in ask(configuration).status } == [200, 429])
    configuration.destroy()
  }

  @Test func hits() throws {
    func rules(_ own: Bool) throws -> TestConfiguration {
      try configure {
        $0.tokenBucket = bucket(1000)
        $0.enableXRatelimitHeaders = .draftVersion03
        $0.descriptors = [descriptor([("a", "1")], bucket(9))]
        if own { $0.rateLimits = [.with { $0.actions = [.with { $0.remoteAddress = .init() }] }] }
      }
    }
    func remaining(_ configuration: TestConfiguration, _ flags: UInt32, _ hits: UInt64) -> [String] {
      let found = ask(configuration, [one(("a", "1"), flags: flags, hits: hits)])
      return [String(found.status)] + found.limit[1...1]
    }
    let own = try rules(true)
    #expect(host.rateLimitRules.count == 1)
    #expect(remaining(own, 1, 5) == ["200", "4"] && remaining(own, 1, 5) == ["429", "4"])
    #expect(remaining(own, 1, 0) == ["200", "4"] && remaining(own, 3, 2) == ["200", "6"])
    #expect(remaining(own, 3, 1000) == ["200", "9"])
    own.destroy()
    // Those of routes count one, and those for global limits not at all.
    let routes = try rules(false)
    #expect(remaining(routes, 1, 5) == ["200", "8"] && remaining(routes, 8, 1)[1] == "998")
    routes.destroy()
  }

  @Test func shadows() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(3, 9)
      $0.descriptors = [descriptor([("a", "1")], bucket(1), shadow: true)]
      $0.enableXRatelimitHeaders = .draftVersion03
    }
    let found = (0..<4).map { _ in ask(configuration, [one(("a", "1"))]) }
    // Nothing is stopped by it, and it stops nobody else from counting.
    #expect(found.map(\.status) == [200, 200, 200, 429])
    #expect(counter("ok") == 1 && counter("shadow_mode") == 2 && counter("rate_limited") == 3)
    #expect(counter("enforced") == 1 && found[1].limit == ["1", "0", "1000"])
    configuration.destroy()
  }

  @Test func notEnforced() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(0)
      $0.filterEnforced.runtimeKey = "rl.enforced"
      $0.requestHeadersToAddWhenNotEnforced = [
        .with {
          $0.header.key = "x-over"
          $0.header.value = "%REQ(x-who)%"
        }
      ]
    }
    host.runtime["rl.enforced"] = 0
    let stream = TestStream(configuration, [TestField("x-who", "me")])
    #expect(stream.requestHeaders() == 0 && stream.reply == nil && stream.values("x-over", 0) == ["me"])
    stream.end()
    host.runtime["rl.enforced"] = 100
    #expect(ask(configuration).status == 429)
    #expect(counter("rate_limited") == 2 && counter("enforced") == 1)
    configuration.destroy()
  }

  @Test func notEnabled() throws {
    let off = try configure {
      $0.tokenBucket = bucket(0)
      $0.clearFilterEnabled()
    }
    #expect(ask(off).status == 200 && counter("enabled") == 0)
    off.destroy()
    let some = try configure {
      $0.tokenBucket = bucket(0)
      $0.filterEnabled.defaultValue.numerator = 50
    }
    host.randomBits = 50
    #expect(ask(some).status == 200)
    host.randomBits = 49
    #expect(ask(some).status == 429)
    some.destroy()
  }

  @Test func routesHaveTheirOwn() throws {
    let configuration = try configure { _ in }
    let route = try TestConfiguration(
      plugin(), route: filter, type: type, encoding: 1,
      message {
        $0.tokenBucket = bucket(1)
        $0.status.code = .serviceUnavailable
      }.serializedBytes())
    #expect((0..<3).map { _ in ask(configuration).status } == [200, 200, 200])
    #expect((0..<3).map { _ in ask(configuration, [], [route]).status } == [200, 503, 503])
    route.destroy()
    configuration.destroy()
  }

  @Test func eachConnectionItsOwn() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(2)
      $0.localRateLimitPerDownstreamConnection = true
      $0.descriptors = [descriptor([("a", "")], bucket(1))]
    }
    let connections = [TestDownstream(), TestDownstream()]
    #expect((0..<3).map { _ in ask(configuration, [], [], connections[0]).status } == [200, 200, 429])
    #expect((0..<2).map { _ in ask(configuration, [], [], connections[1]).status } == [200, 200])
    let third = TestDownstream()
    #expect((0..<2).map { _ in ask(configuration, [one(("a", "1"))], [], third).status } == [200, 429])
    for connection in connections + [third] { connection.end() }
    configuration.destroy()
  }

  @Test func whatIsAsked() throws {
    let configuration = try configure {
      $0.tokenBucket = bucket(5)
      $0.stage = 3
      $0.vhRateLimits = .include
      $0.descriptors = [descriptor([("a", "1")], bucket(1))]
    }
    let query = ask(configuration).stream.descriptorQuery
    #expect(query?.stage == 3 && query?.virtual_host == 1 && query?.rules == UInt32.max)
    #expect(query?.at_end == false)
    configuration.destroy()
    let without = try configure { $0.tokenBucket = bucket(5) }
    #expect(ask(without).stream.descriptorQuery == nil)
    without.destroy()
  }

  @Test(arguments: [
    "token_bucket.fill_interval", "descriptors[1]", "descriptors[0].token_bucket.fill_interval",
    "response_headers_to_add[0].header.key", "response_headers_to_add[0].header.value",
  ])
  func refuses(_ path: String) throws {
    do {
      _ = try configure {
        $0.tokenBucket = bucket(1)
        $0.descriptors = [descriptor([("a", "1")], bucket(1))]
        switch path {
        case "token_bucket.fill_interval": $0.tokenBucket.fillInterval = .init(nanos: 49_999_999)
        case "descriptors[1]": $0.descriptors.append($0.descriptors[0])
        case "descriptors[0].token_bucket.fill_interval": $0.descriptors[0].tokenBucket.fillInterval = .init()
        default:
          var option = Envoy_Config_Core_V3_HeaderValueOption()
          option.header.key = path.hasSuffix("key") ? ":status" : "a"
          option.header.value = "%BAD%"
          $0.responseHeadersToAdd = [option]
        }
      }
      Issue.record("taken")
    } catch let refusal as TestRefusal {
      #expect(refusal.findings.map(\.path) == [path])
    }
  }

  @Test func aRouteNeedsABucket() throws {
    #expect(throws: TestRefusal.self) {
      _ = try TestConfiguration(
        plugin(), route: filter, type: type, encoding: 1, message { _ in }.serializedBytes())
    }
  }

  // MARK: connections

  private func connections(_ fill: (inout ConnectionLimitMessage) -> Void) throws -> TestConfiguration {
    var message = ConnectionLimitMessage.with {
      $0.statPrefix = "tcp"
      $0.tokenBucket = bucket(2)
    }
    fill(&message)
    return try TestConfiguration(
      plugin(), network: "envoy.filters.network.local_ratelimit",
      type: "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit", encoding: 1,
      message.serializedBytes())
  }

  private func passes(_ configuration: TestConfiguration) -> Bool {
    let connection = TestConnection(configuration)
    let status = connection.newConnection()
    defer { connection.end() }
    #expect((status == 0) == (connection.closed == nil))
    return status == 0
  }

  @Test func closesConnections() throws {
    let configuration = try connections {
      $0.runtimeEnabled = .with {
        $0.defaultValue = .init(true); $0.runtimeKey = "on"
      }
    }
    #expect((0..<3).map { _ in passes(configuration) } == [true, true, false])
    #expect(host.metric("local_rate_limit.tcp.rate_limited") == 1)
    host.runtime["on"] = 0
    #expect(passes(configuration))
    configuration.destroy()
  }

  @Test func sharedBuckets() throws {
    let first = try connections { $0.shareKey = "k" }
    let second = try connections { $0.shareKey = "k" }
    let other = try connections {
      $0.shareKey = "k"
      $0.tokenBucket.maxTokens = 1
    }
    #expect(passes(first) && passes(second) && !passes(first) && !passes(second))
    #expect(passes(other) && !passes(other))
    first.destroy()
    second.destroy()
    other.destroy()
    let later = try connections { $0.shareKey = "k" }
    #expect(passes(later))
    later.destroy()
    let none = try connections { $0.tokenBucket.maxTokens = 0 }
    #expect(!passes(none))
    none.destroy()
  }
}
