// The built-in network filters that are C function tables, written against `martlet.h` like any
// other: echo, direct response and connection limit. Each `Config` is what the table's `create` is
// given; the chain keeps it alive.
import CMartletABI
import Model

/// What a built-in filter's instance is for C: a retained Swift object.
class BuiltInFilter {
  let host: UnsafePointer<martlet_host_network>
  let connection: martlet_handle

  init(host: UnsafePointer<martlet_host_network>, connection: martlet_handle) {
    self.host = host
    self.connection = connection
  }

  func newConnection() -> martlet_filter_status { MARTLET_CONTINUE }
  func data(end: Bool) -> martlet_filter_status { MARTLET_CONTINUE }
  func timer() {}
  func closed() {}

  fileprivate static func of(_ filter: UnsafeMutableRawPointer?) -> BuiltInFilter {
    Unmanaged<BuiltInFilter>.fromOpaque(filter.unsafelyUnwrapped).takeUnretainedValue()
  }

  /// The hooks are the same for all; `create` differs.
  static func table(
    create:
      @escaping @convention(c) (
        UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafePointer<martlet_host_network>?,
        martlet_handle
      ) -> UnsafeMutableRawPointer?
  ) -> UnsafePointer<martlet_network_filter> {
    let table = UnsafeMutablePointer<martlet_network_filter>.allocate(capacity: 1)
    table.initialize(
      to: martlet_network_filter(
        size: UInt32(MemoryLayout<martlet_network_filter>.size), info: nil, config_create: nil,
        config_destroy: nil, on_config_timer: nil, on_config_wake: nil, worker_create: nil,
        worker_destroy: nil, on_worker_timer: nil, on_worker_wake: nil,
        create: create,
        on_new_connection: { BuiltInFilter.of($0).newConnection() },
        on_data: { BuiltInFilter.of($0).data(end: $1) },
        on_write: nil,
        on_timer: { filter, _ in BuiltInFilter.of(filter).timer() },
        on_wake: nil,
        on_close: { BuiltInFilter.of($0).closed() },
        destroy: { Unmanaged<BuiltInFilter>.fromOpaque($0.unsafelyUnwrapped).release() }))
    return UnsafePointer(table)
  }

  fileprivate func opaque() -> UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }
}

/// `envoy.filters.network.echo`
final class EchoFilter: BuiltInFilter {
  nonisolated(unsafe) static let table = BuiltInFilter.table { _, _, host, connection in
    EchoFilter(host: host.unsafelyUnwrapped, connection: connection).opaque()
  }

  override func data(end: Bool) -> martlet_filter_status {
    var bytes = martlet_bytes()
    guard host.pointee.read_buffer(connection, &bytes) == MARTLET_OK else { return MARTLET_STOP }
    if bytes.size > 0 || end {
      _ = host.pointee.write(connection, bytes, end)
      _ = host.pointee.read_drain(connection, bytes.size)
    }
    if end { _ = host.pointee.close(connection, MARTLET_CLOSE_FLUSH) }
    return MARTLET_STOP
  }
}

/// `envoy.filters.network.direct_response`
final class DirectResponseFilter: BuiltInFilter {
  final class Config {
    let body: [UInt8]
    init(body: [UInt8]) { self.body = body }
  }
  private let config: Config

  private init(
    _ config: Config, host: UnsafePointer<martlet_host_network>, connection: martlet_handle
  ) {
    self.config = config
    super.init(host: host, connection: connection)
  }

  nonisolated(unsafe) static let table = BuiltInFilter.table { config, _, host, connection in
    DirectResponseFilter(
      Unmanaged<Config>.fromOpaque(config.unsafelyUnwrapped).takeUnretainedValue(),
      host: host.unsafelyUnwrapped, connection: connection
    ).opaque()
  }

  override func newConnection() -> martlet_filter_status {
    config.body.withUnsafeBufferPointer { body in
      _ = host.pointee.write(
        connection, martlet_bytes(data: body.baseAddress, size: body.count), false)
    }
    _ = host.pointee.close(connection, MARTLET_CLOSE_FLUSH)
    return MARTLET_STOP
  }

  override func data(end: Bool) -> martlet_filter_status { MARTLET_STOP }
}

/// `envoy.filters.network.connection_limit`. The count is the process's, not the worker's.
final class ConnectionLimitFilter: BuiltInFilter {
  final class Config {
    let model: ConnectionLimit
    let active: SharedCount
    let counters: Counters<ConnectionLimitStat>
    private let runtime: RuntimeTable
    private let enabled: RuntimeSlot
    init(
      model: ConnectionLimit, active: SharedCount, counters: Counters<ConnectionLimitStat>,
      runtime: RuntimeTable
    ) {
      self.model = model
      self.runtime = runtime
      enabled = runtime.slot(model.enabled.key)
      self.active = active
      self.counters = counters
    }
    var isEnabled: Bool { runtime.boolean(enabled, model.enabled.defaultValue) }
  }
  private let config: Config
  private var counted = false
  private var delaying = false

  private init(
    _ config: Config, host: UnsafePointer<martlet_host_network>, connection: martlet_handle
  ) {
    self.config = config
    super.init(host: host, connection: connection)
  }

  nonisolated(unsafe) static let table = BuiltInFilter.table { config, _, host, connection in
    ConnectionLimitFilter(
      Unmanaged<Config>.fromOpaque(config.unsafelyUnwrapped).takeUnretainedValue(),
      host: host.unsafelyUnwrapped, connection: connection
    ).opaque()
  }

  override func newConnection() -> martlet_filter_status {
    guard config.isEnabled else { return MARTLET_CONTINUE }
    if config.active.increment(limit: config.model.maxConnections) {
      counted = true
      config.counters.add(.active)
      return MARTLET_CONTINUE
    }
    config.counters.add(.limited)
    if let delay = config.model.delay {
      delaying = true
      _ = host.pointee.disable_reading(connection, true)
      let milliseconds = Swift.max(1, delay.clampedNanoseconds / 1_000_000)
      _ = PluginTables.setTimer(connection, 0, milliseconds)
    } else {
      _ = host.pointee.close(connection, MARTLET_CLOSE_NOW)
    }
    return MARTLET_STOP
  }

  override func data(end: Bool) -> martlet_filter_status { delaying ? MARTLET_STOP : MARTLET_CONTINUE }

  override func timer() { _ = host.pointee.close(connection, MARTLET_CLOSE_NOW) }

  override func closed() {
    guard counted else { return }
    config.active.decrement()
    config.counters.subtract(.active)
  }
}
