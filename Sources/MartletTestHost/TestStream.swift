// One HTTP stream in the test's host, with one filter.
public import CMartletABI

/// A field of a message.
public struct TestField: Equatable, Sendable {
  public var name: String
  public var value: String
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// An answer that the filter gave.
public struct TestReply: Equatable, Sendable {
  public let status: Int
  public let headers: [TestField]
  public internal(set) var body: String
  public let details: String
  /// -1: none was said.
  public let grpcStatus: Int

  public init(status: Int, headers: [TestField], body: String, details: String, grpcStatus: Int) {
    self.status = status
    self.headers = headers
    self.body = body
    self.details = details
    self.grpcStatus = grpcStatus
  }
}

/// One request and its response. The test calls the hooks, in the order of the wire.
public final class TestStream {
  let configuration: TestConfiguration
  var host: TestHost { configuration.host }
  /// It stands for what a format is written for: nothing can be changed.
  var isReadOnly: Bool { configuration.http == nil }
  private let table: martlet_http_filter
  private var filter: UnsafeMutableRawPointer?
  public private(set) var handle: martlet_handle = 0

  /// The four maps, by the C interface's number.
  var maps: [[TestField]] = [[], [], [], []]
  var bodies: [[UInt8]] = [[], []]
  /// Which direction's hook runs.
  var inHook: martlet_direction?
  public var routes: [TestConfiguration] = []
  public internal(set) var passed: [[UInt8]] = [[], []]
  public internal(set) var resumed: [Bool] = [false, false]
  public internal(set) var reply: TestReply?
  public internal(set) var wasReset = false
  public internal(set) var clearedRoute = false
  public internal(set) var cluster: String?
  public internal(set) var metadata: [String: String] = [:]
  public internal(set) var responseFlags: [String] = []
  public internal(set) var filterState: [String: String] = [:]
  /// The descriptors that the host's rules would make. `atEnd` of the query is not looked at.
  public var descriptors: [TestDescriptor] = []
  /// The last query for them.
  public internal(set) var descriptorQuery: martlet_descriptor_query?
  /// The connection that the stream has come by; streams of one share what is attached to it.
  public var downstream = TestDownstream()
  /// Facts, by the C interface's number.
  public var attributes: [martlet_text_attribute: String] = [:]
  public var numbers: [martlet_number_attribute: UInt64] = [:]
  public internal(set) var hasTrailers = [false, false]
  var limit = 1 << 20

  /// A request with these headers begins.
  public init(_ configuration: TestConfiguration, _ request: [TestField] = []) {
    self.configuration = configuration
    table = configuration.http?.pointee ?? martlet_http_filter()
    maps[0] = request
    handle = configuration.host.newHandle(.stream(self))
    // Of format operators there is none.
    if configuration.http == nil { return }
    filter = table.create(
      configuration.object, configuration.worker, TestTables.httpPointer, handle)
  }

  /// Whether the plugin made a filter for it.
  public var stands: Bool { filter != nil }

  /// Values of a field: of the request (0), its trailers, the response (2), its trailers.
  public func values(_ name: String, _ map: martlet_header_map) -> [String] {
    maps[Int(map)].filter { $0.name == name }.map(\.value)
  }

  /// The fields of a map.
  public func fields(_ map: martlet_header_map) -> [TestField] { maps[Int(map)] }

  /// The body before the filter.
  public func body(_ direction: martlet_direction) -> String {
    String(decoding: bodies[Int(direction)], as: UTF8.self)
  }

  // MARK: hooks; nil where the filter does not have it

  public func requestHeaders(end: Bool = true) -> Int32? {
    hook(MARTLET_REQUEST) { table.on_request_headers?($0, end) }
  }

  public func requestBody(_ more: String, end: Bool) -> Int32? {
    bodies[0] += Array(more.utf8)
    return hook(MARTLET_REQUEST) { table.on_request_body?($0, end) }
  }

  public func requestTrailers(_ fields: [TestField]) -> Int32? {
    maps[1] = fields
    return hook(MARTLET_REQUEST) { table.on_request_trailers?($0) }
  }

  public func responseHeaders(_ fields: [TestField], end: Bool = true) -> Int32? {
    maps[2] = fields
    return hook(MARTLET_RESPONSE) { table.on_response_headers?($0, end) }
  }

  public func responseBody(_ more: String, end: Bool) -> Int32? {
    bodies[1] += Array(more.utf8)
    return hook(MARTLET_RESPONSE) { table.on_response_body?($0, end) }
  }

  public func responseTrailers(_ fields: [TestField]) -> Int32? {
    maps[3] = fields
    return hook(MARTLET_RESPONSE) { table.on_response_trailers?($0) }
  }

  public func backPressure(stop: Bool) {
    if let filter { table.on_back_pressure?(filter, stop) }
  }

  private func hook(
    _ direction: martlet_direction, _ call: (UnsafeMutableRawPointer) -> Int32?
  ) -> Int32? {
    guard let filter else { return nil }
    inHook = direction
    defer { inHook = nil }
    return call(filter)
  }

  /// The milliseconds of a timer that is set.
  public func timer(_ number: UInt32) -> UInt64? { host.timers[handle]?[number] }

  /// Lets the timer's time pass; false where it is not set.
  @discardableResult
  public func fireTimer(_ number: UInt32) -> Bool {
    guard let milliseconds = timer(number), let filter else { return false }
    host.timers[handle]?[number] = nil
    host.now += milliseconds * 1_000_000
    table.on_timer?(filter, number)
    return true
  }

  /// Delivers what `wake` posted for this stream.
  public func deliverWakes() {
    let due = host.wakes.filter { $0.handle == handle }
    host.wakes.removeAll { $0.handle == handle }
    for wake in due { if let filter { table.on_wake?(filter, wake.token) } }
  }

  /// Ends the stream: on_complete, then destroy. The handle is gone afterwards.
  public func end(_ result: martlet_stream_result = MARTLET_STREAM_COMPLETE) {
    guard let filter else { return }
    table.on_complete?(filter, result)
    table.destroy(filter)
    self.filter = nil
    host.named[handle] = nil
    host.timers[handle] = nil
  }
}
