// The host's tables, copied once when the plugin is opened: a call of the host is then one load and
// one indirect call. What an older host does not have is nil, what a newer one has more is not seen.
public import CMartletABI

/// The services of the host, for the SDK itself.
public struct HostServices {
  @usableFromInline var plugin: martlet_handle
  @usableFromInline var core: martlet_host_core
  @usableFromInline var config: martlet_host_config
  @usableFromInline var metrics: martlet_host_metrics
  @usableFromInline var text: martlet_host_text
  @usableFromInline var streamInfo: martlet_host_stream_info
  @usableFromInline var sharedData: martlet_host_shared_data
  @usableFromInline var http: martlet_host_http
  @usableFromInline var network: martlet_host_network
  @usableFromInline var rateLimit: martlet_host_rate_limit

  /// Nil where the host lacks what every filter needs.
  static func find(_ host: UnsafePointer<martlet_host>) -> UnsafePointer<HostServices>? {
    guard
      let core: martlet_host_core = table("martlet.host.core/1", of: host),
      let config: martlet_host_config = table("martlet.host.config/1", of: host),
      let metrics: martlet_host_metrics = table("martlet.host.metrics/1", of: host),
      let text: martlet_host_text = table("martlet.host.text/1", of: host),
      let info: martlet_host_stream_info = table("martlet.host.stream_info/1", of: host)
    else { return nil }
    let services = UnsafeMutablePointer<HostServices>.allocate(capacity: 1)
    services.initialize(
      to: HostServices(
        plugin: host.pointee.plugin, core: core, config: config, metrics: metrics, text: text,
        streamInfo: info,
        sharedData: table("martlet.host.shared_data/1", of: host) ?? martlet_host_shared_data(),
        http: table("martlet.host.http/1", of: host) ?? martlet_host_http(),
        network: table("martlet.host.network/1", of: host) ?? martlet_host_network(),
        rateLimit: table("martlet.host.rate_limit/1", of: host) ?? martlet_host_rate_limit()))
    return UnsafePointer(services)
  }

  /// A copy of a table, as much of it as both sides know.
  private static func table<Table>(
    _ id: String, of host: UnsafePointer<martlet_host>
  ) -> Table? {
    guard let found = id.withCString({ host.pointee.query($0) }) else { return nil }
    let size = Int(found.load(as: UInt32.self))
    return withUnsafeTemporaryAllocation(
      byteCount: MemoryLayout<Table>.size, alignment: MemoryLayout<Table>.alignment
    ) { copy in
      copy.initializeMemory(as: UInt8.self, repeating: 0)
      copy.copyMemory(
        from: UnsafeRawBufferPointer(start: found, count: min(size, MemoryLayout<Table>.size)))
      return copy.load(as: Table.self)
    }
  }
}
