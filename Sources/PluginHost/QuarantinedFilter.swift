// The filters that stand in the place of a plugin's that has crashed too often: no code of the plugin runs.
// Those that fail closed answer 503 or close the connection; those that fail open are passed over.
import CMartletABI
import Glibc
import Model

enum QuarantinedFilter {
  /// A filter as the plugin has described it, with hooks of the host's.
  static func make(
    _ filter: PluginDescription.Filter, _ version: PluginVersion, _ then: CrashPolicy.Then
  ) -> LoadedFilter {
    let description = FilterDescription(
      kind: filter.kind, name: filter.name, typeNames: filter.types,
      routeTypeNames: filter.routeTypes, descriptors: filter.descriptors, isTerminal: filter.isTerminal,
      operators: filter.operators, plugin: version)
    let isOpen = then == .failOpen
    let table =
      switch filter.kind {
      case .network: UnsafeRawPointer(isOpen && !filter.isTerminal ? openNetwork : closedNetwork)
      case .http: UnsafeRawPointer(isOpen ? openHTTP : closedHTTP)
      case .formatter: UnsafeRawPointer(valueless)
      }
    return LoadedFilter(
      kind: description.kind, description: description, table: table, configCreate: accept,
      configDestroy: nil, routeConfigCreate: accept, routeConfigDestroy: nil, onConfigTimer: nil,
      onConfigWake: nil)
  }

  /// Any configuration is taken; its object is the text for replies, which is never freed.
  private static let accept: LoadedFilter.ConfigCreate = { handle, _, out in
    out?.pointee = HostConfigServices.host?.handles.config(handle)?.plugin.quarantine?.details
    return MARTLET_OK
  }

  /// The text for replies, by its address.
  static func details(of id: String) -> UnsafeMutableRawPointer {
    let text = Array("plugin_quarantined{\(id)}".utf8)
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: text.count)
    bytes.initialize(from: text, count: text.count)
    let made = UnsafeMutablePointer<martlet_bytes>.allocate(capacity: 1)
    made.initialize(to: martlet_bytes(data: UnsafePointer(bytes), size: text.count))
    return UnsafeMutableRawPointer(made)
  }

  private struct Stream {
    let host: UnsafePointer<martlet_host_http>
    let handle: martlet_handle
    let details: martlet_bytes
  }
  private static let body: StaticString = "a filter is out of service\n"

  nonisolated(unsafe) private static let closedHTTP: UnsafePointer<martlet_http_filter> = {
    let table = UnsafeMutablePointer<martlet_http_filter>.allocate(capacity: 1)
    var made = martlet_http_filter()
    made.size = UInt32(MemoryLayout<martlet_http_filter>.size)
    made.create = { config, _, host, stream in
      guard let host else { return nil }
      let made = UnsafeMutablePointer<Stream>.allocate(capacity: 1)
      let details = config?.assumingMemoryBound(to: martlet_bytes.self).pointee ?? martlet_bytes()
      made.initialize(to: Stream(host: host, handle: stream, details: details))
      return UnsafeMutableRawPointer(made)
    }
    made.on_request_headers = { filter, _ in
      guard let stream = filter?.assumingMemoryBound(to: Stream.self).pointee else { return MARTLET_CONTINUE }
      var reply = martlet_reply()
      reply.size = UInt32(MemoryLayout<martlet_reply>.size)
      reply.status = 503
      reply.body = martlet_bytes(data: body.utf8Start, size: body.utf8CodeUnitCount)
      reply.details = stream.details
      reply.grpc_status = -1
      _ = stream.host.pointee.reply(stream.handle, &reply)
      return MARTLET_STOP
    }
    made.destroy = { $0?.assumingMemoryBound(to: Stream.self).deallocate() }
    table.initialize(to: made)
    return UnsafePointer(table)
  }()

  nonisolated(unsafe) private static let openHTTP: UnsafePointer<martlet_http_filter> = {
    let table = UnsafeMutablePointer<martlet_http_filter>.allocate(capacity: 1)
    var made = martlet_http_filter()
    made.size = UInt32(MemoryLayout<martlet_http_filter>.size)
    // No hook is ever called with it.
    made.create = { _, _, _, _ in UnsafeMutableRawPointer(bitPattern: 1) }
    made.destroy = { _ in }
    table.initialize(to: made)
    return UnsafePointer(table)
  }()

  nonisolated(unsafe) private static let closedNetwork: UnsafePointer<martlet_network_filter> = {
    let table = UnsafeMutablePointer<martlet_network_filter>.allocate(capacity: 1)
    var made = martlet_network_filter()
    made.size = UInt32(MemoryLayout<martlet_network_filter>.size)
    made.create = { _, _, _, _ in nil }
    made.destroy = { _ in }
    table.initialize(to: made)
    return UnsafePointer(table)
  }()

  /// Operators have no value, whether filters fail open or closed.
  nonisolated(unsafe) private static let valueless: UnsafePointer<martlet_format_operator> = {
    let table = UnsafeMutablePointer<martlet_format_operator>.allocate(capacity: 1)
    var made = martlet_format_operator()
    made.size = UInt32(MemoryLayout<martlet_format_operator>.size)
    made.create = { _, _, _, _, _, _ in MARTLET_OK }
    made.destroy = { _ in }
    made.write = { _, _, _, _, _ in MARTLET_E_NOT_FOUND }
    table.initialize(to: made)
    return UnsafePointer(table)
  }()

  nonisolated(unsafe) private static let openNetwork: UnsafePointer<martlet_network_filter> = {
    let table = UnsafeMutablePointer<martlet_network_filter>.allocate(capacity: 1)
    var made = martlet_network_filter()
    made.size = UInt32(MemoryLayout<martlet_network_filter>.size)
    made.create = { _, _, _, _ in UnsafeMutableRawPointer(bitPattern: 1) }
    made.destroy = { _ in }
    table.initialize(to: made)
    return UnsafePointer(table)
  }()
}
