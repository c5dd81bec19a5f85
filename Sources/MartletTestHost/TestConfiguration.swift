// A filter's configuration in the test's host: config scope and one worker scope.
public import CMartletABI

/// A configuration's mistake as the plugin reported it.
public struct TestFinding: Equatable, Sendable, CustomStringConvertible {
  public let path: String
  public let message: String
  public init(path: String, message: String) {
    self.path = path
    self.message = message
  }
  public var description: String { "\(path): \(message)" }
}

/// Thrown where a plugin refuses its configuration.
public struct TestRefusal: Error {
  public let findings: [TestFinding]
}

/// A configured filter, on one worker.
public final class TestConfiguration {
  let host: TestHost
  let http: UnsafePointer<martlet_http_filter>?
  let network: UnsafePointer<martlet_network_filter>?
  let formatter: UnsafePointer<martlet_format_operator>?
  public internal(set) var errors: [TestFinding] = []
  public internal(set) var warnings: [TestFinding] = []
  var handle: martlet_handle = 0
  var workerHandle: martlet_handle = 0
  var object: UnsafeMutableRawPointer?
  var worker: UnsafeMutableRawPointer?
  private var isRoute = false

  /// Configures an HTTP filter. Throws `TestRefusal` where the plugin refuses.
  public init(
    _ plugin: TestPlugin, http name: String, type: String = "",
    encoding: martlet_encoding = MARTLET_JSON, _ bytes: [UInt8]
  ) throws {
    host = plugin.host
    http = try plugin.httpFilter(name)
    network = nil
    formatter = nil
    handle = host.newHandle(.config(self))
    try create(name, type, encoding, bytes, http!.pointee.config_create)
    workerHandle = host.newHandle(.worker(self))
    worker = http!.pointee.worker_create(object, workerHandle)
  }

  /// Configures a network filter.
  public init(
    _ plugin: TestPlugin, network name: String, type: String = "",
    encoding: martlet_encoding = MARTLET_JSON, _ bytes: [UInt8]
  ) throws {
    host = plugin.host
    http = nil
    formatter = nil
    network = try plugin.networkFilter(name)
    handle = host.newHandle(.config(self))
    try create(name, type, encoding, bytes, network!.pointee.config_create)
    workerHandle = host.newHandle(.worker(self))
    worker = network!.pointee.worker_create(object, workerHandle)
  }

  /// Configures a plugin's format operators, by the usual name of what has them.
  public init(
    _ plugin: TestPlugin, formatter name: String, type: String = "",
    encoding: martlet_encoding = MARTLET_JSON, _ bytes: [UInt8] = []
  ) throws {
    host = plugin.host
    http = nil
    network = nil
    formatter = try plugin.formatter(name)
    handle = host.newHandle(.config(self))
    try create(name, type, encoding, bytes, formatter!.pointee.config_create)
    workerHandle = host.newHandle(.worker(self))
    worker = formatter!.pointee.worker_create(object, workerHandle)
  }

  /// The filter's configuration on a route.
  public init(
    _ plugin: TestPlugin, route name: String, type: String = "",
    encoding: martlet_encoding = MARTLET_JSON, _ bytes: [UInt8]
  ) throws {
    host = plugin.host
    http = try plugin.httpFilter(name)
    network = nil
    formatter = nil
    isRoute = true
    handle = host.newHandle(.config(self))
    try create(name, type, encoding, bytes, http!.pointee.route_config_create)
  }

  private func create(
    _ name: String, _ type: String, _ encoding: martlet_encoding, _ bytes: [UInt8],
    _ function: (
      @convention(c) (
        martlet_handle, UnsafePointer<martlet_filter_config>?,
        UnsafeMutablePointer<UnsafeMutableRawPointer?>?
      ) -> martlet_status
    )
  ) throws {
    var given = martlet_filter_config()
    given.size = UInt32(MemoryLayout<martlet_filter_config>.size)
    given.encoding = encoding
    given.name = host.texts.keep(Array(name.utf8))
    given.type_name = host.texts.keep(Array(type.utf8))
    given.bytes = host.texts.keep(bytes)
    let status = function(handle, &given, &object)
    if status != MARTLET_OK { throw TestRefusal(findings: errors) }
  }

  /// A worker's timer is due.
  public func fireWorkerTimer(_ timer: UInt32) {
    host.timers[workerHandle]?[timer] = nil
    http?.pointee.on_worker_timer(worker, timer)
    network?.pointee.on_worker_timer(worker, timer)
  }

  /// Ends the worker scope and the config scope.
  public func destroy() {
    if isRoute {
      http?.pointee.route_config_destroy(object)
    } else {
      http?.pointee.worker_destroy(worker)
      http?.pointee.config_destroy(object)
      network?.pointee.worker_destroy(worker)
      network?.pointee.config_destroy(object)
      formatter?.pointee.worker_destroy(worker)
      formatter?.pointee.config_destroy(object)
    }
    host.named[handle] = nil
    host.named[workerHandle] = nil
  }
}
