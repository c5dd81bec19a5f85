// A network filter as a plugin would be: a C function table. What its hooks do is closures of the
// test; what was called is noted.
import CMartletABI

@testable import DataPlane

/// The configuration that the table's `create` is given, and the notes of all its filters.
final class FilterProbe {
  var log: [String] = []
  var host: UnsafePointer<martlet_host_network>!
  var handle: martlet_handle = 0
  fileprivate(set) var filter: UnsafeMutableRawPointer?
  var refuses = false
  var created: () -> Void = {}
  var newConnection: () -> martlet_filter_status = { MARTLET_CONTINUE }
  var data: (_ end: Bool) -> martlet_filter_status = { _ in MARTLET_CONTINUE }
  var write: () -> martlet_filter_status = { MARTLET_CONTINUE }
  var timer: () -> Void = {}
  var closed: () -> Void = {}
  let name: String

  init(_ name: String = "") { self.name = name }

  func factory(writes: Bool = false) -> NetworkFilterFactory {
    NetworkFilterFactory(
      table: writes ? FilterProbe.writingTable : FilterProbe.table,
      config: Unmanaged.passUnretained(self).toOpaque())
  }

  // MARK: What a filter would ask

  var unread: String {
    var out = martlet_bytes()
    guard host.pointee.read_buffer(handle, &out) == MARTLET_OK else { return "gone" }
    return String(decoding: UnsafeBufferPointer(start: out.data, count: out.size), as: UTF8.self)
  }

  @discardableResult
  func send(_ text: String, end: Bool = false) -> martlet_status {
    let data = bytes(text)
    return data.withUnsafeBufferPointer {
      host.pointee.write(handle, martlet_bytes(data: $0.baseAddress, size: $0.count), end)
    }
  }

  @discardableResult
  func close(_ mode: martlet_close_mode) -> martlet_status { host.pointee.close(handle, mode) }

  @discardableResult
  func setTimer(_ milliseconds: UInt64) -> martlet_status {
    PluginTables.setTimer(handle, 0, milliseconds)
  }

  // MARK: The tables

  private final class Instance {
    let probe: FilterProbe
    init(_ probe: FilterProbe) { self.probe = probe }
  }

  private static func probe(_ filter: UnsafeMutableRawPointer?, _ hook: String) -> FilterProbe {
    let probe = Unmanaged<Instance>.fromOpaque(filter.unsafelyUnwrapped).takeUnretainedValue().probe
    probe.log.append(hook)
    return probe
  }

  private static func make(writes: Bool) -> UnsafePointer<martlet_network_filter> {
    let table = UnsafeMutablePointer<martlet_network_filter>.allocate(capacity: 1)
    table.initialize(
      to: martlet_network_filter(
        size: UInt32(MemoryLayout<martlet_network_filter>.size), info: nil, config_create: nil,
        config_destroy: nil, on_config_timer: nil, on_config_wake: nil, worker_create: nil,
        worker_destroy: nil, on_worker_timer: nil, on_worker_wake: nil,
        create: { config, _, host, handle in
          let probe = Unmanaged<FilterProbe>.fromOpaque(config.unsafelyUnwrapped).takeUnretainedValue()
          probe.log.append("create")
          probe.host = host
          probe.handle = handle
          probe.created()
          if probe.refuses { return nil }
          let filter = Unmanaged.passRetained(Instance(probe)).toOpaque()
          probe.filter = filter
          return filter
        },
        on_new_connection: { FilterProbe.probe($0, "new").newConnection() },
        on_data: { FilterProbe.probe($0, $1 ? "end" : "data").data($1) },
        on_write: nil,
        on_timer: { filter, _ in FilterProbe.probe(filter, "timer").timer() },
        on_wake: nil,
        on_close: { FilterProbe.probe($0, "close").closed() },
        destroy: { filter in
          _ = FilterProbe.probe(filter, "destroy")
          Unmanaged<Instance>.fromOpaque(filter.unsafelyUnwrapped).release()
        }))
    if writes { table.pointee.on_write = { FilterProbe.probe($0, "write").write() } }
    return UnsafePointer(table)
  }

  nonisolated(unsafe) private static let table = make(writes: false)
  nonisolated(unsafe) private static let writingTable = make(writes: true)
}
