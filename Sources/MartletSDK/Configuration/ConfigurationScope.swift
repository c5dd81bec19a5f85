// What a filter may ask of the host while it reads its configuration.
public import CMartletABI

/// A header's name as a number: lookups by it compare no text. Made by `ConfigurationScope.header`,
/// good in the hooks of the same filter.
@frozen
public struct HeaderName: Sendable {
  @usableFromInline let id: UInt32
  @inlinable init(id: UInt32) { self.id = id }
}

/// Who the proxy is.
public struct NodeIdentity: Sendable {
  /// `node.id` of the bootstrap; empty where it has none, like the others.
  public let id: String
  /// `node.cluster`.
  public let cluster: String
  /// The zone of the locality.
  public let zone: String
}

/// A configuration while it is read. Control thread. What is defined here (names, formats,
/// expressions, keys, metrics) is used in the hooks of this filter alone; what a route's
/// configuration defines, in the streams of that route.
public struct ConfigurationScope: HostScope, ~Copyable, ~Escapable {
  public let _handle: martlet_handle
  public let _services: UnsafePointer<HostServices>
  /// Whether something was reported that refuses the configuration.
  var isRefused = false

  @_lifetime(immortal)
  init(_ handle: martlet_handle, _ services: UnsafePointer<HostServices>) {
    _handle = handle
    _services = services
  }

  private var config: martlet_host_config { _services.pointee.config }

  /// Refuses the configuration, and goes on reading, to find what else is wrong. Throwing a
  /// `ConfigurationError` does the same at once.
  public mutating func refuse(_ message: String, at path: String = "") {
    isRefused = true
    path.withHostBytes { path in
      message.withHostBytes { _ = config.error(_handle, path, $0) }
    }
  }

  /// Tells the operator of something that is probably not meant.
  public func warn(_ message: String, at path: String = "") {
    path.withHostBytes { path in
      message.withHostBytes { _ = config.warning(_handle, path, $0) }
    }
  }

  /// A header's name, in any case. `path` says where the configuration has it.
  public func header(_ name: String, at path: String = "") throws -> HeaderName {
    var id: UInt32 = 0
    let status = name.withHostBytes { config.header(_handle, $0, &id) }
    try check(status, at: path) { "'\(name)' is no header name" }
    return HeaderName(id: id)
  }

  /// Text with operators: "%REQ(x-user)%".
  public func format(_ text: String, at path: String = "") throws -> Format {
    var id: UInt32 = 0
    let status = path.withHostBytes { path in
      text.withHostBytes { config.format(_handle, path, $0, &id) }
    }
    try check(status, at: path, reported: true) { "'\(text)' is no format" }
    return Format(id: id)
  }

  /// A regular expression in RE2's syntax.
  public func regularExpression(
    _ pattern: String, at path: String = ""
  ) throws -> RegularExpression {
    var id: UInt32 = 0
    let status = path.withHostBytes { path in
      pattern.withHostBytes { config.regex(_handle, path, $0, &id) }
    }
    try check(status, at: path, reported: true) { "'\(pattern)' is no regular expression" }
    return RegularExpression(id: id)
  }

  /// A key of Envoy's runtime.
  public func runtimeKey(_ key: String) throws -> RuntimeKey {
    var id: UInt32 = 0
    let status = key.withHostBytes { config.runtime(_handle, $0, &id) }
    try check(status, at: "") { "'\(key)' is no runtime key" }
    return RuntimeKey(id: id)
  }

  /// A counter. `relative`: its name follows `statPrefix`, as those of Envoy's filters do.
  public func counter(_ name: String, relative: Bool = true) throws -> Counter {
    Counter(id: try metric(MARTLET_COUNTER, name, relative, []))
  }

  /// A gauge.
  public func gauge(_ name: String, relative: Bool = true) throws -> Gauge {
    Gauge(id: try metric(MARTLET_GAUGE, name, relative, []))
  }

  /// A histogram of whole numbers.
  public func histogram(_ name: String, relative: Bool = true) throws -> Histogram {
    Histogram(id: try metric(MARTLET_HISTOGRAM, name, relative, []))
  }

  /// Counters with labels.
  public func counterFamily(
    _ name: String, labels: [String], relative: Bool = true
  ) throws -> CounterFamily {
    CounterFamily(
      id: try metric(MARTLET_COUNTER, name, relative, labels), labelCount: labels.count)
  }

  /// Gauges with labels.
  public func gaugeFamily(
    _ name: String, labels: [String], relative: Bool = true
  ) throws -> GaugeFamily {
    GaugeFamily(id: try metric(MARTLET_GAUGE, name, relative, labels), labelCount: labels.count)
  }

  /// What stands before the names of `relative` metrics: "http.ingress.".
  public var statPrefix: String {
    var bytes = martlet_bytes()
    guard config.stat_prefix(_handle, &bytes) == MARTLET_OK else { return "" }
    return String(BytesView(unsafe: bytes))
  }

  /// Who the proxy is.
  public var node: NodeIdentity {
    var id = martlet_bytes()
    var cluster = martlet_bytes()
    var zone = martlet_bytes()
    _ = config.node(_handle, &id, &cluster, &zone)
    return NodeIdentity(
      id: String(BytesView(unsafe: id)), cluster: String(BytesView(unsafe: cluster)),
      zone: String(BytesView(unsafe: zone)))
  }

  private func metric(
    _ kind: martlet_metric_kind, _ name: String, _ relative: Bool, _ labels: [String]
  ) throws -> UInt32 {
    var id: UInt32 = 0
    let status = withBorrowedBytes(labels) { labels in
      labels.withUnsafeBufferPointer { labels in
        name.withHostBytes {
          config.metric(_handle, kind, $0, relative, labels.baseAddress, labels.count, &id)
        }
      }
    }
    try check(status, at: "") { "the metric '\(name)' is defined otherwise already" }
    return id
  }

  private func check(
    _ status: martlet_status, at path: String, reported: Bool = false, _ message: () -> String
  ) throws {
    switch status {
    case MARTLET_OK: return
    case MARTLET_E_LIMIT: throw ConfigurationError("more than the proxy allows", at: path)
    case MARTLET_E_GONE:
      throw ConfigurationError("asked after the configuration was read", at: path)
    default:
      if reported { throw ConfigurationError(reportedAt: path) }
      throw ConfigurationError(message(), at: path)
    }
  }

  /// Makes settings of what the host gave; nil where that is refused, which the host then knows.
  static func settings<Settings: FilterSettings>(
    _ type: Settings.Type, _ given: UnsafePointer<martlet_filter_config>, _ handle: martlet_handle,
    _ services: UnsafePointer<HostServices>
  ) -> Settings? {
    var scope = ConfigurationScope(handle, services)
    do {
      let message = try Settings.Message(configuration: GivenConfiguration(given.pointee))
      let settings = try Settings(message, &scope)
      return scope.isRefused ? nil : settings
    } catch let error as ConfigurationError {
      if !error.isReported { scope.refuse(error.message, at: error.path) }
    } catch {
      scope.refuse("\(error)")
    }
    return nil
  }
}

extension GivenConfiguration {
  init(_ given: martlet_filter_config) {
    self.init(
      encoding: given.encoding == MARTLET_PROTOBUF ? .protobuf : .json,
      name: String(BytesView(unsafe: given.name)),
      typeName: String(BytesView(unsafe: given.type_name)),
      bytes: [UInt8](BytesView(unsafe: given.bytes)))
  }
}
