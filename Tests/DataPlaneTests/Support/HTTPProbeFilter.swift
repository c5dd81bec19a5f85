// An HTTP filter as a plugin would be: a C function table. What its hooks do is closures of the
// test; what was called is noted.
import CMartletABI

@testable import DataPlane

final class HTTPFilterProbe {
  /// Which hooks the table has besides those for heads.
  enum Hooks { case all, heads, noTrailers }

  /// Shared by the filters of a chain: `name.hook` in the order of the calls.
  let log: HTTPFilterLog
  let name: String
  private let hooks: Hooks
  private(set) var host: UnsafePointer<martlet_host_http>!
  private(set) var handle: martlet_handle = 0
  private(set) var results: [martlet_stream_result] = []
  private(set) var alive = 0
  var refuses = false
  var created: () -> Void = {}
  var requestHeaders: (_ end: Bool) -> martlet_filter_status = { _ in MARTLET_CONTINUE }
  var requestBody: (_ end: Bool) -> martlet_filter_status = { _ in MARTLET_CONTINUE }
  var requestTrailers: () -> martlet_filter_status = { MARTLET_CONTINUE }
  var responseHeaders: (_ end: Bool) -> martlet_filter_status = { _ in MARTLET_CONTINUE }
  var responseBody: (_ end: Bool) -> martlet_filter_status = { _ in MARTLET_CONTINUE }
  var responseTrailers: () -> martlet_filter_status = { MARTLET_CONTINUE }
  var timer: () -> Void = {}
  var completed: () -> Void = {}

  init(_ name: String, _ log: HTTPFilterLog, hooks: Hooks = .all) {
    self.name = name
    self.log = log
    self.hooks = hooks
  }

  var factory: HTTPFilterFactory {
    let table =
      switch hooks {
      case .all: HTTPFilterProbe.all
      case .heads: HTTPFilterProbe.heads
      case .noTrailers: HTTPFilterProbe.noTrailers
      }
    return HTTPFilterFactory(name: name, table: table, config: Unmanaged.passUnretained(self).toOpaque())
  }

  // MARK: What a filter would ask

  private func with<Result>(_ text: String, _ body: (martlet_bytes) -> Result) -> Result {
    bytes(text).withUnsafeBufferPointer { body(martlet_bytes(data: $0.baseAddress, size: $0.count)) }
  }

  func text(_ bytes: martlet_bytes) -> String {
    String(decoding: UnsafeBufferPointer(start: bytes.data, count: bytes.size), as: UTF8.self)
  }

  func get(_ map: martlet_header_map, _ name: String, _ nth: Int = 0) -> String? {
    var out = martlet_bytes()
    return with(name) { host.pointee.header_get(handle, map, $0, nth, &out) } == MARTLET_OK ? text(out) : nil
  }

  @discardableResult
  func set(_ map: martlet_header_map, _ name: String, _ value: String) -> martlet_status {
    with(name) { name in with(value) { host.pointee.header_set(handle, map, name, $0) } }
  }

  @discardableResult
  func add(_ map: martlet_header_map, _ name: String, _ value: String) -> martlet_status {
    with(name) { name in with(value) { host.pointee.header_add(handle, map, name, $0) } }
  }

  @discardableResult
  func remove(_ map: martlet_header_map, _ name: String) -> martlet_status {
    with(name) { host.pointee.header_remove(handle, map, $0) }
  }

  func fields(_ map: martlet_header_map) -> [String] {
    var count = 0
    guard host.pointee.header_count(handle, map, &count) == MARTLET_OK else { return [] }
    return (0..<count).map { index in
      var out = martlet_header()
      _ = host.pointee.header_at(handle, map, index, &out)
      return "\(text(out.name)): \(text(out.value))"
    }
  }

  func body(_ direction: martlet_direction) -> String {
    var all = ""
    var index = 0
    var piece = martlet_bytes()
    while host.pointee.body_piece(handle, direction, index, &piece) == MARTLET_OK {
      all += text(piece)
      index += 1
    }
    var size = 0
    _ = host.pointee.body_size(handle, direction, &size)
    return size == all.utf8.count ? all : "size is \(size), pieces have \(all.utf8.count)"
  }

  @discardableResult
  func append(_ direction: martlet_direction, _ text: String) -> martlet_status {
    with(text) { host.pointee.body_append(handle, direction, $0) }
  }

  @discardableResult
  func drain(_ direction: martlet_direction, _ count: Int) -> martlet_status {
    host.pointee.body_drain(handle, direction, count)
  }

  @discardableResult
  func goOn(_ direction: martlet_direction) -> martlet_status {
    host.pointee.continue_message(handle, direction)
  }

  @discardableResult
  func reply(
    _ status: Int32, _ body: String = "", _ headers: [(String, String)] = []
  ) -> martlet_status {
    var storage: [[UInt8]] = []
    for (name, value) in headers { storage += [bytes(name), bytes(value)] }
    let pinned = storage.map { array in
      let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: array.count)
      _ = copy.initialize(from: array)
      return copy
    }
    defer { for copy in pinned { copy.deallocate() } }
    let fields = headers.indices.map { index in
      martlet_header(
        name: martlet_bytes(data: pinned[index * 2].baseAddress, size: pinned[index * 2].count),
        value: martlet_bytes(data: pinned[index * 2 + 1].baseAddress, size: pinned[index * 2 + 1].count))
    }
    return fields.withUnsafeBufferPointer { fields in
      with(body) { body in
        var reply = martlet_reply(
          size: UInt32(MemoryLayout<martlet_reply>.size), status: status, headers: fields.baseAddress,
          header_count: fields.count, body: body, details: martlet_bytes(), grpc_status: -1)
        return host.pointee.reply(handle, &reply)
      }
    }
  }

  @discardableResult
  func reset() -> martlet_status { host.pointee.reset(handle) }

  @discardableResult
  func setTimer(_ milliseconds: UInt64) -> martlet_status { PluginTables.setTimer(handle, 0, milliseconds) }

  // MARK: The tables

  private final class Instance {
    let probe: HTTPFilterProbe
    init(_ probe: HTTPFilterProbe) { self.probe = probe }
  }

  private static func probe(_ filter: UnsafeMutableRawPointer?, _ hook: String) -> HTTPFilterProbe {
    let probe = Unmanaged<Instance>.fromOpaque(filter.unsafelyUnwrapped).takeUnretainedValue().probe
    probe.log.calls.append("\(probe.name).\(hook)")
    return probe
  }

  private static func make(_ hooks: Hooks) -> UnsafePointer<martlet_http_filter> {
    let table = UnsafeMutablePointer<martlet_http_filter>.allocate(capacity: 1)
    table.initialize(
      to: martlet_http_filter(
        size: UInt32(MemoryLayout<martlet_http_filter>.size), info: nil, config_create: nil,
        config_destroy: nil, route_config_create: nil, route_config_destroy: nil, on_config_timer: nil,
        on_config_wake: nil, worker_create: nil, worker_destroy: nil, on_worker_timer: nil,
        on_worker_wake: nil,
        create: { config, _, host, handle in
          let probe = Unmanaged<HTTPFilterProbe>.fromOpaque(config.unsafelyUnwrapped).takeUnretainedValue()
          probe.log.calls.append("\(probe.name).create")
          probe.host = host
          probe.handle = handle
          probe.created()
          if probe.refuses { return nil }
          probe.alive += 1
          return Unmanaged.passRetained(Instance(probe)).toOpaque()
        },
        on_request_headers: { HTTPFilterProbe.probe($0, $1 ? "request." : "request").requestHeaders($1) },
        on_request_body: { HTTPFilterProbe.probe($0, $1 ? "body." : "body").requestBody($1) },
        on_request_trailers: { HTTPFilterProbe.probe($0, "trailers").requestTrailers() },
        on_response_headers: { HTTPFilterProbe.probe($0, $1 ? "response." : "response").responseHeaders($1) },
        on_response_body: { HTTPFilterProbe.probe($0, $1 ? "answer." : "answer").responseBody($1) },
        on_response_trailers: { HTTPFilterProbe.probe($0, "ending").responseTrailers() },
        on_back_pressure: nil,
        on_timer: { filter, _ in HTTPFilterProbe.probe(filter, "timer").timer() },
        on_wake: nil,
        on_complete: { filter, result in
          let probe = HTTPFilterProbe.probe(filter, "complete")
          probe.results.append(result)
          probe.completed()
        },
        destroy: { filter in
          HTTPFilterProbe.probe(filter, "destroy").alive -= 1
          Unmanaged<Instance>.fromOpaque(filter.unsafelyUnwrapped).release()
        }))
    if hooks != .all {
      table.pointee.on_request_trailers = nil
      table.pointee.on_response_trailers = nil
    }
    if hooks == .heads {
      table.pointee.on_request_body = nil
      table.pointee.on_response_body = nil
    }
    return UnsafePointer(table)
  }

  nonisolated(unsafe) private static let all = make(.all)
  nonisolated(unsafe) private static let heads = make(.heads)
  nonisolated(unsafe) private static let noTrailers = make(.noTrailers)
}

final class HTTPFilterLog {
  var calls: [String] = []
}
