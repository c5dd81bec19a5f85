// One filter of a plugin, or its operators of one type, in the form that the host reads.
import CMartletABI

/// What a plugin has: `.http(Greeting.self)`, `.network(Audit.self)`, `.formatOperators(Words.self)`.
public struct PluginFilter {
  enum Kind {
    case http(UnsafePointer<martlet_http_filter>)
    case network(UnsafePointer<martlet_network_filter>)
    case formatter(UnsafePointer<martlet_format_operator>)
  }
  let kind: Kind

  /// An HTTP filter whose hooks are handed its settings.
  @inlinable
  public static func http<Filter: HTTPFilter>(_ type: Filter.Type) -> PluginFilter
  where Filter.Shared == Filter.Settings {
    PluginFilter(
      HTTPDispatch(type),
      FilterScopes(
        name: Filter.name, descriptors: Filter.descriptors, isStateful: Filter.isStateful,
        Filter.Settings.self,
        route: Filter.RouteSettings.self))
  }

  /// An HTTP filter whose hooks are handed an object of the worker.
  @inlinable
  public static func http<Filter: HTTPFilter>(_ type: Filter.Type) -> PluginFilter
  where Filter.Shared: FilterWorker, Filter.Shared.Settings == Filter.Settings {
    PluginFilter(
      HTTPDispatch(type),
      FilterScopes(
        name: Filter.name, descriptors: Filter.descriptors, isStateful: Filter.isStateful,
        worker: Filter.Shared.self,
        route: Filter.RouteSettings.self))
  }

  /// A network filter whose hooks are handed its settings.
  @inlinable
  public static func network<Filter: NetworkFilter>(_ type: Filter.Type) -> PluginFilter
  where Filter.Shared == Filter.Settings {
    PluginFilter(
      NetworkDispatch(type), isTerminal: Filter.isTerminal,
      FilterScopes(
        name: Filter.name, descriptors: Filter.descriptors, isStateful: Filter.isStateful,
        Filter.Settings.self,
        route: NoSettings.self))
  }

  /// A network filter whose hooks are handed an object of the worker.
  @inlinable
  public static func network<Filter: NetworkFilter>(_ type: Filter.Type) -> PluginFilter
  where Filter.Shared: FilterWorker, Filter.Shared.Settings == Filter.Settings {
    PluginFilter(
      NetworkDispatch(type), isTerminal: Filter.isTerminal,
      FilterScopes(
        name: Filter.name, descriptors: Filter.descriptors, isStateful: Filter.isStateful,
        worker: Filter.Shared.self,
        route: NoSettings.self))
  }
}

extension FilterScopes {
  /// In the form that the host reads, for ever.
  func makeInfo(flags: UInt32, takesRoutes: Bool) -> UnsafePointer<martlet_filter_info> {
    var info = martlet_filter_info()
    info.size = UInt32(MemoryLayout<martlet_filter_info>.size)
    info.flags = flags | (isStateful ? MARTLET_FILTER_STATEFUL : 0)
    info.name = UnsafePointer(permanent(name))
    info.type_names = list(typeNames)
    info.route_type_names = takesRoutes ? list(routeTypeNames) : nil
    info.descriptors = permanent(descriptors.bytes)
    return permanent(info)
  }

  func list(_ texts: [String]) -> UnsafePointer<UnsafePointer<CChar>?>? {
    let list = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: texts.count + 1)
    for (index, text) in texts.enumerated() {
      (list + index).initialize(to: UnsafePointer(permanent(text)))
    }
    (list + texts.count).initialize(to: nil)
    return UnsafePointer(list)
  }
}

/// A value for the life of the process: the host keeps what a plugin shows it.
func permanent<Value>(_ value: Value) -> UnsafePointer<Value> {
  let pointer = UnsafeMutablePointer<Value>.allocate(capacity: 1)
  pointer.initialize(to: value)
  return UnsafePointer(pointer)
}

/// The same for text, ended by NUL.
func permanent(_ text: String) -> UnsafeMutablePointer<CChar> {
  text.withCString { text in
    var count = 0
    while text[count] != 0 { count += 1 }
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: count + 1)
    copy.initialize(from: text, count: count + 1)
    return copy
  }
}

/// The same for bytes.
func permanent(_ bytes: [UInt8]) -> martlet_bytes {
  if bytes.isEmpty { return martlet_bytes() }
  let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
  copy.initialize(from: bytes, count: bytes.count)
  return martlet_bytes(data: copy, size: bytes.count)
}
