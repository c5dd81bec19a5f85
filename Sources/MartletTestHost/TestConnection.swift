// One connection in the test's host, with one network filter.
public import CMartletABI

/// One connection. The test calls the hooks.
public final class TestConnection {
  let configuration: TestConfiguration
  private let table: martlet_network_filter
  private var filter: UnsafeMutableRawPointer?
  public private(set) var handle: martlet_handle = 0
  var unread: [UInt8] = []
  var outgoing: [UInt8] = []
  public internal(set) var written: [UInt8] = []
  public internal(set) var closed: martlet_close_mode?
  public internal(set) var wroteEnd = false
  public internal(set) var resumed = false
  public internal(set) var isReading = true

  public init(_ configuration: TestConfiguration) {
    self.configuration = configuration
    table = configuration.network!.pointee
    handle = configuration.host.newHandle(.connection(self))
    filter = table.create(
      configuration.object, configuration.worker, TestTables.networkPointer, handle)
  }

  public func newConnection() -> Int32? {
    filter.flatMap { table.on_new_connection?($0) }
  }

  public func data(_ more: String, end: Bool = false) -> Int32? {
    unread += Array(more.utf8)
    return filter.flatMap { table.on_data?($0, end) }
  }

  /// What the filter left of the bytes.
  public var left: String { String(decoding: unread, as: UTF8.self) }

  public func write(_ bytes: String) -> Int32? {
    outgoing += Array(bytes.utf8)
    return filter.flatMap { table.on_write?($0) }
  }

  public func end() {
    guard let filter else { return }
    table.on_close?(filter)
    table.destroy(filter)
    self.filter = nil
    configuration.host.named[handle] = nil
  }
}
