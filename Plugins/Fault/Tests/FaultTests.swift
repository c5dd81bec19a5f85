// Faults under a host of C tables: what is drawn, how long, what is answered, how fast.
import EnvoyMatchers
import MartletTestHost
import SwiftProtobuf
import Testing

@testable import Fault

@Suite(.serialized)
struct FaultTests {
  let host = TestHost()
  private let filter = "envoy.filters.http.fault"
  private let type = "envoy.extensions.filters.http.fault.v3.HTTPFault"

  private func plugin() throws -> TestPlugin { try host.open(faultPlugin()) }

  private func configure(_ fill: (inout FaultMessage) -> Void) throws -> TestConfiguration {
    try TestConfiguration(
      plugin(), http: filter, type: type, encoding: 1, FaultMessage.with(fill).serializedBytes())
  }

  private func abort(_ code: UInt32 = 503, _ percent: UInt32 = 100)
    -> Envoy_Extensions_Filters_Http_Fault_V3_FaultAbort
  {
    .with {
      $0.httpStatus = code
      $0.percentage.numerator = percent
    }
  }

  private func delay(seconds: Double) -> Envoy_Extensions_Filters_Common_Fault_V3_FaultDelay {
    .with {
      $0.fixedDelay = .init(seconds: Int64(seconds), nanos: Int32((seconds - seconds.rounded(.down)) * 1e9))
      $0.percentage.numerator = 100
    }
  }

  /// The answer that a request gets at its head; nil: it goes on.
  private func answer(_ configuration: TestConfiguration, _ fields: [TestField] = []) -> TestReply? {
    let stream = TestStream(configuration, fields)
    defer { stream.end() }
    let status = stream.requestHeaders()
    #expect(status == (stream.reply == nil ? 0 : 3))
    return stream.reply
  }

  @Test func abortsWithAStatus() throws {
    let configuration = try configure { $0.abort = abort(418) }
    let reply = answer(configuration)
    #expect(
      reply
        == TestReply(
          status: 418, headers: [], body: "fault filter abort", details: "fault_filter_abort", grpcStatus: -1)
    )
    #expect(
      host.metric("http.test.fault.aborts_injected") == 1 && host.metric("http.test.fault.active_faults") == 0
    )
    configuration.destroy()
  }

  @Test func abortsWithAGRPCStatus() throws {
    let configuration = try configure {
      $0.abort.grpcStatus = 14
      $0.abort.percentage.numerator = 100
    }
    let reply = answer(configuration)
    #expect(reply?.status == 200 && reply?.grpcStatus == 14)
    configuration.destroy()
  }

  @Test(
    arguments: [
      ([("x-envoy-fault-abort-request", "418")], 418, -1),
      ([("x-envoy-fault-abort-request", "600")], nil, nil), ([], nil, nil),
      ([("x-envoy-fault-abort-grpc-request", "5")], 200, 5),
      ([("x-envoy-fault-abort-grpc-request", "99")], nil, nil),
      ([("x-envoy-fault-abort-request", "418"), ("x-envoy-fault-abort-grpc-request", "5")], 418, -1),
      ([("x-envoy-fault-abort-request", "418"), ("x-envoy-fault-abort-request-percentage", "0")], nil, nil),
      ([("x-envoy-fault-abort-request", "418"), ("x-envoy-fault-abort-request-percentage", "x")], 418, -1),
    ] as [([(String, String)], Int?, Int?)])
  func abortsByHeader(_ fields: [(String, String)], _ status: Int?, _ grpc: Int?) throws {
    let configuration = try configure {
      $0.abort.headerAbort = .init()
      $0.abort.percentage.numerator = 100
    }
    let reply = answer(configuration, fields.map { TestField($0.0, $0.1) })
    #expect(reply?.status == status && reply?.grpcStatus == grpc)
    configuration.destroy()
  }

  @Test(arguments: [
    (Envoy_Type_V3_FractionalPercent.DenominatorType.hundred, UInt64(49), true), (.hundred, 50, false),
    (.tenThousand, 49, true), (.tenThousand, 50, false), (.million, 1_000_049, true), (.million, 99, false),
  ])
  func shares(_ denominator: Envoy_Type_V3_FractionalPercent.DenominatorType, _ random: UInt64, _ isIn: Bool)
    throws
  {
    host.randomBits = random
    let configuration = try configure {
      $0.abort = abort(503, 50)
      $0.abort.percentage.denominator = denominator
    }
    #expect((answer(configuration) != nil) == isIn)
    configuration.destroy()
  }

  @Test func delays() throws {
    let configuration = try configure { $0.delay = delay(seconds: 1.5) }
    let stream = TestStream(configuration)
    #expect(stream.requestHeaders() == 4 && stream.timer(0) == 1500)
    #expect(stream.responseFlags == ["DI"] && host.metric("http.test.fault.active_faults") == 1)
    stream.fireTimer(0)
    #expect(stream.resumed[0] && stream.reply == nil)
    stream.end()
    #expect(
      host.metric("http.test.fault.delays_injected") == 1 && host.metric("http.test.fault.active_faults") == 0
    )
    configuration.destroy()
  }

  @Test func aDelayAndThenAnAbort() throws {
    let configuration = try configure {
      $0.delay = delay(seconds: 0.1)
      $0.abort = abort()
      $0.filterMetadata.fields = ["a": "b", "n": 3, "t": true]
    }
    let stream = TestStream(configuration)
    _ = stream.requestHeaders()
    #expect(stream.reply == nil)
    stream.fireTimer(0)
    #expect(stream.reply?.status == 503 && !stream.resumed[0] && stream.responseFlags == ["DI", "FI"])
    #expect(stream.metadata == ["\(filter):a": "b", "\(filter):n": "3", "\(filter):t": "true"])
    stream.end()
    configuration.destroy()
  }

  @Test(arguments: [("150", UInt64(150)), ("0", nil), ("x", nil), (nil, nil)] as [(String?, UInt64?)])
  func delaysByHeader(_ value: String?, _ expected: UInt64?) throws {
    let configuration = try configure {
      $0.delay.headerDelay = .init()
      $0.delay.percentage.numerator = 100
    }
    let stream = TestStream(configuration, value.map { [TestField("x-envoy-fault-delay-request", $0)] } ?? [])
    _ = stream.requestHeaders()
    #expect(stream.timer(0) == expected)
    stream.end()
    configuration.destroy()
  }

  @Test func runtimeValues() throws {
    let configuration = try configure {
      $0.abort = abort(503, 0)
      $0.delay = delay(seconds: 5)
      $0.delayDurationRuntime = "own.duration"
    }
    host.runtime = [
      "fault.http.abort.abort_percent": 100, "fault.http.abort.http_status": 444, "own.duration": 0,
    ]
    #expect(answer(configuration)?.status == 444)
    host.runtime["fault.http.abort.http_status"] = 99
    #expect(answer(configuration)?.status == 503)
    host.runtime["fault.http.max_active_faults"] = 0
    #expect(answer(configuration) == nil && host.metric("http.test.fault.faults_overflow") == 1)
    host.runtime = ["own.duration": 70, "fault.http.delay.fixed_delay_percent": 0]
    #expect(answer(configuration) == nil)
    configuration.destroy()
  }

  @Test func onlySoManyAtOnce() throws {
    let configuration = try configure {
      $0.delay = delay(seconds: 1)
      $0.maxActiveFaults = .init(2)
    }
    let streams = (0..<3).map { _ in TestStream(configuration) }
    #expect(streams.map { $0.requestHeaders() } == [4, 4, 0])
    streams[0].end(1)
    let next = TestStream(configuration)
    #expect(next.requestHeaders() == 4)
    #expect(
      host.metric("http.test.fault.active_faults") == 2 && host.metric("http.test.fault.faults_overflow") == 1
    )
    for stream in [streams[1], streams[2], next] { stream.end() }
    #expect(host.metric("http.test.fault.active_faults") == 0)
    configuration.destroy()
  }

  @Test func whichRequests() throws {
    let configuration = try configure {
      $0.abort = abort()
      $0.upstreamCluster = "up"
      $0.downstreamNodes = ["n1", "n2"]
      $0.headers = [
        .with {
          $0.name = "x-a"; $0.prefixMatch = "b"
        },
        .with {
          $0.name = "x-c"; $0.invertMatch = true
        },
      ]
    }
    func isAborted(_ cluster: String?, _ fields: [(String, String)]) -> Bool {
      let stream = TestStream(configuration, fields.map { TestField($0.0, $0.1) })
      defer { stream.end() }
      if let cluster { stream.attributes[18] = cluster }
      _ = stream.requestHeaders()
      return stream.reply != nil
    }
    let node = ("x-envoy-downstream-service-node", "n2")
    #expect(isAborted("up", [node, ("x-a", "bc")]))
    #expect(!isAborted("other", [node, ("x-a", "bc")]) && !isAborted(nil, [node, ("x-a", "bc")]))
    #expect(
      !isAborted("up", [("x-a", "bc")]) && !isAborted("up", [node, ("x-a", "cb")]) && !isAborted("up", [node])
    )
    #expect(!isAborted("up", [node, ("x-a", "bc"), ("x-c", "")]))
    configuration.destroy()
  }

  @Test func countsByTheClientsCluster() throws {
    let configuration = try configure { $0.abort = abort() }
    _ = answer(configuration, [TestField("x-envoy-downstream-service-cluster", "cl")])
    #expect(
      host.metric("http.test.fault.aborts_injected", ["cl"]) == 1
        && host.metric("http.test.fault.aborts_injected") == 1)
    configuration.destroy()
    let without = try configure {
      $0.abort = abort()
      $0.disableDownstreamClusterStats = true
    }
    _ = answer(without, [TestField("x-envoy-downstream-service-cluster", "other")])
    #expect(host.metric("http.test.fault.aborts_injected", ["other"]) == nil)
    without.destroy()
  }

  @Test func aRouteStandsForTheFilter() throws {
    let configuration = try configure { $0.abort = abort(418) }
    let route = try TestConfiguration(
      plugin(), route: filter, type: type, encoding: 1,
      FaultMessage.with { $0.delay = delay(seconds: 1) }.serializedBytes())
    let stream = TestStream(configuration)
    stream.routes = [route]
    #expect(stream.requestHeaders() == 4)
    stream.fireTimer(0)
    #expect(stream.reply == nil && stream.resumed[0])
    stream.end()
    configuration.destroy()
    route.destroy()
  }

  @Test func aResponseIsSlowedDown() throws {
    let configuration = try configure {
      $0.responseRateLimit.fixedLimit.limitKbps = 1
      $0.responseRateLimit.percentage.numerator = 100
    }
    let stream = TestStream(configuration)
    #expect(stream.requestHeaders() == 0)
    #expect(stream.responseBody(String(repeating: "a", count: 120), end: false) == 2)
    // What comes in 50 ms, and one more of the timer's own.
    #expect(stream.fireTimer(1) && stream.passed[1].count == 52 && stream.timer(1) == 50)
    stream.fireTimer(1)
    #expect(stream.passed[1].count == 103)
    #expect(stream.responseBody("bb", end: true) == 2)
    stream.fireTimer(1)
    #expect(stream.passed[1].count == 103 && stream.resumed[1])
    stream.end()
    #expect(host.metric("http.test.fault.response_rl_injected") == 1)
    configuration.destroy()
  }

  @Test func aSlowResponseWithTrailers() throws {
    let configuration = try configure {
      $0.responseRateLimit.headerLimit = .init()
      $0.responseRateLimit.percentage.numerator = 100
    }
    let stream = TestStream(configuration, [TestField("x-envoy-fault-throughput-response", "1")])
    _ = stream.requestHeaders()
    #expect(stream.responseBody(String(repeating: "a", count: 60), end: false) == 2)
    #expect(stream.responseTrailers([TestField("x", "1")]) == 1)
    stream.fireTimer(1)
    #expect(!stream.resumed[1])
    stream.fireTimer(1)
    #expect(stream.resumed[1])
    stream.end()
    let free = TestStream(configuration, [TestField("x-envoy-fault-throughput-response", "0")])
    _ = free.requestHeaders()
    #expect(free.responseBody("a", end: true) == 0 && free.responseTrailers([]) == 0)
    free.end()
    configuration.destroy()
  }

  @Test func nestedMetadataIsRefused() throws {
    #expect {
      try configure { $0.filterMetadata.fields = ["a": .with { $0.listValue = .init() }] }
    } throws: { error in (error as? TestRefusal)?.findings.map(\.path) == ["filter_metadata.a"] }
  }
}
