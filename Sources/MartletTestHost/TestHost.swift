// A host for the unit tests of filters: it opens a plugin, reads its configuration and plays
// streams to it, all on the calling thread, and keeps what the plugin did for the test to look at.
// It stands for the proxy's behaviour towards one filter, not for the proxy: there is no network,
// no other filter, and formats know %REQ(name)% and %RESP(name)% alone.
//
// C functions have no context, so there is one host at a time: the newest. Tests that use it are
// `.serialized`.
public import CMartletABI

/// See the file's head.
public final class TestHost {
  /// The one that the tables speak to.
  nonisolated(unsafe) static var current: TestHost!

  /// A metric that was defined.
  struct Metric {
    let kind: martlet_metric_kind
    let name: String
    let labels: [String]
    var value: UInt64 = 0
    var records: [UInt64] = []
  }

  /// What a handle names.
  enum Named {
    case config(TestConfiguration)
    case worker(TestConfiguration)
    case stream(TestStream)
    case connection(TestConnection)
  }

  var named: [martlet_handle: Named] = [:]
  private var lastHandle: martlet_handle = 100
  var headers: [String] = []
  var formats: [String] = []
  var patterns: [String] = []
  var runtimeKeys: [String] = []
  var metrics: [Metric] = []
  var sharedData: [String: (bytes: [UInt8], version: UInt64)] = [:]
  /// Timers that are set: milliseconds by handle and number.
  var timers: [martlet_handle: [UInt32: UInt64]] = [:]
  var wakes: [(handle: martlet_handle, token: UInt64)] = []

  /// The log's lines.
  public internal(set) var log: [(level: Int, message: String)] = []
  /// Lines below this level are not written.
  public var logLevel = 0
  /// What `random` gives, again and again.
  public var randomBits: UInt64 = 0
  /// What `now` gives, in nanoseconds. `TestStream.fireTimer` moves it on.
  public var now: UInt64 = 1_000_000_000
  /// The runtime's values: numbers by key.
  public var runtime: [String: UInt64] = [:]
  /// What comes before the names of relative metrics.
  public var statPrefix = "http.test."
  /// Messages of rate limit rules that filters have brought, each list once.
  public internal(set) var rateLimitRules: [[[UInt8]]] = []
  let descriptorMemory = TestDescriptorMemory()
  /// Bytes that the plugin holds of the host's allocator.
  public internal(set) var allocations = 0
  let texts = TestTexts()

  public init() {
    TestHost.current = self
  }

  func newHandle(_ object: Named) -> martlet_handle {
    lastHandle += 1
    named[lastHandle] = object
    return lastHandle
  }

  /// Opens a plugin: what its `martlet_plugin_v1` gives.
  public func open(_ entry: UnsafeRawPointer?) throws -> TestPlugin {
    guard let entry else { throw TestHostError("the plugin gave no descriptor") }
    let plugin = entry.assumingMemoryBound(to: martlet_plugin.self)
    let status = plugin.pointee.open(TestTables.host)
    guard status == MARTLET_OK else { throw TestHostError("open: \(status)") }
    return TestPlugin(plugin, self)
  }

  /// A counter's or gauge's value, by its whole name; nil where there is none.
  public func metric(_ name: String) -> UInt64? {
    metrics.first { $0.name == name && $0.labels.isEmpty }?.value
  }

  /// What a histogram was given.
  public func records(_ name: String) -> [UInt64] {
    metrics.first { $0.name == name }?.records ?? []
  }

  /// The member of a family with these values of its labels.
  public func metric(_ name: String, _ labels: [String]) -> UInt64? {
    metrics.first { $0.name == name && $0.labels == labels }?.value
  }
}

/// What went wrong in a test's host.
public struct TestHostError: Error, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// A plugin that was opened.
public final class TestPlugin {
  let descriptor: UnsafePointer<martlet_plugin>
  let host: TestHost

  init(_ descriptor: UnsafePointer<martlet_plugin>, _ host: TestHost) {
    self.descriptor = descriptor
    self.host = host
  }

  public var id: String { String(cString: descriptor.pointee.id) }
  public var version: String { String(cString: descriptor.pointee.version) }

  /// An HTTP filter of the plugin, by its usual name.
  public func httpFilter(_ name: String) throws -> UnsafePointer<martlet_http_filter> {
    guard let list = descriptor.pointee.query("martlet.plugin.http_filter/1") else {
      throw TestHostError("the plugin has no HTTP filters")
    }
    let filters = list.assumingMemoryBound(to: martlet_http_filter_list.self).pointee
    for index in 0..<Int(filters.count) {
      guard let filter = filters.filters[index] else { continue }
      if String(cString: filter.pointee.info.pointee.name) == name { return filter }
    }
    throw TestHostError("no HTTP filter '\(name)'")
  }

  /// Format operators of the plugin, by the usual name of what has them.
  public func formatter(_ name: String) throws -> UnsafePointer<martlet_format_operator> {
    guard let list = descriptor.pointee.query("martlet.plugin.format_operator/1") else {
      throw TestHostError("the plugin has no format operators")
    }
    let all = list.assumingMemoryBound(to: martlet_format_operator_list.self).pointee
    for index in 0..<Int(all.count) {
      guard let one = all.operators[index] else { continue }
      if String(cString: one.pointee.info.pointee.name) == name { return one }
    }
    throw TestHostError("no format operators '\(name)'")
  }

  /// A network filter of the plugin, by its usual name.
  public func networkFilter(_ name: String) throws -> UnsafePointer<martlet_network_filter> {
    guard let list = descriptor.pointee.query("martlet.plugin.network_filter/1") else {
      throw TestHostError("the plugin has no network filters")
    }
    let filters = list.assumingMemoryBound(to: martlet_network_filter_list.self).pointee
    for index in 0..<Int(filters.count) {
      guard let filter = filters.filters[index] else { continue }
      if String(cString: filter.pointee.info.pointee.name) == name { return filter }
    }
    throw TestHostError("no network filter '\(name)'")
  }
}

/// Bytes that stand still until the host goes, as a host's buffers do.
final class TestTexts {
  private var all: [UnsafeMutablePointer<UInt8>] = []

  func keep(_ bytes: [UInt8]) -> martlet_bytes {
    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
    copy.initialize(from: bytes, count: bytes.count)
    all.append(copy)
    return martlet_bytes(data: copy, size: bytes.count)
  }

  deinit {
    for text in all { text.deallocate() }
  }
}

extension martlet_bytes {
  var array: [UInt8] { Array(UnsafeBufferPointer(start: data, count: size)) }
  var text: String { String(decoding: UnsafeBufferPointer(start: data, count: size), as: UTF8.self) }
}
