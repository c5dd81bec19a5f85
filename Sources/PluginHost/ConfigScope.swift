// One filter in a configuration, a route's configuration of it, or a use of a format operator, on the
// control thread: what its plugin has said while it read it, and the plugin's own object.
import CMartletABI
import CMartletBlame
import Model

final class ConfigScope: @unchecked Sendable {
  let plugin: LoadedPlugin
  let filter: LoadedFilter
  let request: FilterRequest
  let calls: ControlCalls
  private(set) var handle: UInt64 = 0
  /// What `config_create` gave.
  private(set) var object: UnsafeMutableRawPointer?
  /// It was made and has not ended: nil as an object is one that a plugin may well have.
  private(set) var isLive = false
  var liveObject: (pointer: UnsafeMutableRawPointer?, Void)? { isLive ? (object, ()) : nil }
  private(set) var errors: [FilterProblem] = []
  private(set) var warnings: [FilterProblem] = []
  /// Memory that the plugin has borrowed for the life of the scope.
  private var lent: [UnsafeMutableBufferPointer<UInt8>] = []
  /// What its formats may use, while it is being read.
  private(set) var operators: FormatOperators?
  /// Those that they do use, with their configurations.
  private var used: [String: FilterBinding] = [:]
  /// Formats that go when the scope ends (`NumberedFormats`), each as often as it was defined.
  private(set) var formats: [Int] = []
  /// Of a use: there are no hooks but its own.
  let isUse: Bool

  init(
    plugin: LoadedPlugin, filter: LoadedFilter, request: FilterRequest, operators: FormatOperators?,
    isUse: Bool = false
  ) {
    self.operators = operators
    self.isUse = isUse
    self.plugin = plugin
    self.filter = filter
    self.request = request
    calls = ControlCalls(plugin.version, filter: request.name)
  }

  deinit { for memory in lent { memory.deallocate() } }

  func opened(as handle: UInt64) { self.handle = handle }

  func report(_ path: String, _ message: String) {
    errors.append(FilterProblem(path: path, message: message))
  }

  func warn(_ path: String, _ message: String) {
    warnings.append(FilterProblem(path: path, message: message))
  }

  /// The text in memory that stays until the scope ends.
  func lend(_ text: String) -> martlet_bytes {
    let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: Swift.max(1, text.utf8.count))
    _ = memory.initialize(from: text.utf8)
    lent.append(memory)
    return martlet_bytes(data: UnsafePointer(memory.baseAddress), size: text.utf8.count)
  }

  /// A format that the plugin has defined.
  func defined(_ number: Int, _ format: FormatString) {
    let plugins = format.plugins
    if plugins.isEmpty { return }
    formats.append(number)
    for plugin in plugins { used.merge(plugin.operators) { first, _ in first } }
  }

  /// It has been read: what operators there are matters no more. Gives those that it uses.
  func takeOperators() -> [String: FilterBinding] {
    operators = nil
    defer { used = [:] }
    return used
  }

  /// Lets the plugin make its use of an operator. False: refused.
  func createUse(
    of name: String, argument: String?, formatter: FilterBinding, kind: inout martlet_value_kind
  ) -> Bool {
    let table = formatter.table.assumingMemoryBound(to: martlet_format_operator.self)
    let status = name.withBytes { name in
      guard let argument else {
        let none = martlet_bytes(data: nil, size: 0)
        return calls.call(MARTLET_HOOK_CREATE) {
          table.pointee.create(formatter.config, handle, name, none, &kind, &object)
        }
      }
      // Not NULL, as empty as it may be.
      return (argument + "\0").withBytes { text in
        let bytes = martlet_bytes(data: text.data, size: text.size - 1)
        return calls.call(MARTLET_HOOK_CREATE) {
          table.pointee.create(formatter.config, handle, name, bytes, &kind, &object)
        }
      }
    }
    guard (MARTLET_VALUE_TEXT...MARTLET_VALUE_BOOLEAN).contains(kind) else {
      if status == MARTLET_OK { destroyUse() }
      object = nil
      report("", "the plugin says that its value is of the kind \(kind), which there is not")
      return false
    }
    if status == MARTLET_OK, errors.isEmpty {
      isLive = true
      return true
    }
    if status == MARTLET_OK {
      destroyUse()
    } else if errors.isEmpty {
      report("", "the plugin refuses it (status \(status))")
    }
    object = nil
    return false
  }

  /// Lets the plugin read the configuration. False: refused.
  func create() -> Bool {
    let hook = request.isForRoute ? filter.routeConfigCreate : filter.configCreate
    guard let hook else {
      let isEmpty = request.bytes.isEmpty || request.bytes.elementsEqual("{}".utf8)
      isLive = isEmpty
      if !isEmpty { report("", "the filter has nothing to configure, expected no fields") }
      return isEmpty
    }
    let status = request.name.withBytes { name in
      request.typeName.withBytes { type in
        request.bytes.withUnsafeBufferPointer { bytes in
          var given = martlet_filter_config(
            size: UInt32(MemoryLayout<martlet_filter_config>.size),
            encoding: request.encoding == .json ? MARTLET_JSON : MARTLET_PROTOBUF, name: name,
            type_name: type, bytes: martlet_bytes(data: bytes.baseAddress, size: bytes.count))
          let kind = request.isForRoute ? MARTLET_HOOK_ROUTE_CONFIG_CREATE : MARTLET_HOOK_CONFIG_CREATE
          return calls.call(kind) { hook(handle, &given, &object) }
        }
      }
    }
    if status == MARTLET_OK, errors.isEmpty {
      isLive = true
      return true
    }
    if status == MARTLET_OK {
      // It has said what is wrong and gone on.
      destroy()
    } else if errors.isEmpty {
      report("", "the filter refuses its configuration (status \(status))")
    }
    object = nil
    return false
  }

  private func destroyUse() {
    let table = filter.table.assumingMemoryBound(to: martlet_format_operator.self)
    calls.call(MARTLET_HOOK_DESTROY) { table.pointee.destroy(object) }
  }

  func destroy() {
    if isUse {
      destroyUse()
      object = nil
      isLive = false
      return
    }
    let hook = request.isForRoute ? filter.routeConfigDestroy : filter.configDestroy
    if let hook, request.isForRoute ? filter.routeConfigCreate != nil : filter.configCreate != nil {
      let kind = request.isForRoute ? MARTLET_HOOK_ROUTE_CONFIG_DESTROY : MARTLET_HOOK_CONFIG_DESTROY
      calls.call(kind) { hook(object) }
    }
    object = nil
    isLive = false
  }
}

extension String {
  /// The text for C, borrowed for the call.
  func withBytes<Result>(_ body: (martlet_bytes) -> Result) -> Result {
    var text = self
    return text.withUTF8 { body(martlet_bytes(data: $0.baseAddress, size: $0.count)) }
  }

  init(_ bytes: martlet_bytes) {
    self = String(
      decoding: UnsafeBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : bytes.size),
      as: UTF8.self)
  }
}

extension Array where Element == UInt8 {
  init(_ bytes: martlet_bytes) {
    self = Array(UnsafeBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : bytes.size))
  }
}
