// The functions that the host calls for format operators: one set for all types of them.
import CMartletABI

/// A type of operators. The SDK's own.
final class OperatorDispatch: Sendable {
  typealias Make =
    @Sendable (String, String?, any FilterSettings, inout ConfigurationScope) throws -> OperatorUse
  let make: Make

  init(_ make: @escaping Make) { self.make = make }
}

/// What the host holds as `void *use`.
final class OperatorUse: Sendable {
  typealias Write =
    @Sendable (borrowing FormatStream, UnsafeRawPointer, OperatorBuffer) -> Bool
  let kind: OperatorValueKind
  let write: Write

  init(_ kind: OperatorValueKind, _ write: @escaping Write) {
    self.kind = kind
    self.write = write
  }
}

/// The buffers of one worker.
final class OperatorBuffers {
  var all: [OperatorBuffer] = []
  /// Operators that are being asked, each in an argument of the one before.
  var depth = 0
}

extension PluginFilter {
  /// Operators that are handed their settings.
  public static func formatOperators<Operators: FormatOperator>(_ type: Operators.Type) -> PluginFilter
  where Operators.Shared == Operators.Settings {
    PluginFilter(
      type,
      FilterScopes(
        name: Operators.name, descriptors: Operators.descriptors, isStateful: false, Operators.Settings.self,
        route: NoSettings.self))
  }

  /// Operators that are handed an object of the worker.
  public static func formatOperators<Operators: FormatOperator>(_ type: Operators.Type) -> PluginFilter
  where Operators.Shared: FilterWorker, Operators.Shared.Settings == Operators.Settings {
    PluginFilter(
      type,
      FilterScopes(
        name: Operators.name, descriptors: Operators.descriptors, isStateful: false,
        worker: Operators.Shared.self,
        route: NoSettings.self))
  }

  private init<Operators: FormatOperator>(_ type: Operators.Type, _ scopes: FilterScopes) {
    let dispatch = OperatorDispatch { name, argument, settings, scope in
      let settings = unsafeDowncast(settings as AnyObject, to: Operators.Settings.self)
      let made = try Operators(name, argument: argument, settings, &scope)
      return OperatorUse(made.kind) { stream, shared, buffer in
        var value = OperatorValue(buffer)
        return Unmanaged<Operators.Shared>.fromOpaque(shared)._withUnsafeGuaranteedRef {
          made.value(stream, $0, to: &value)
        }
      }
    }
    // For the life of the process.
    let pointer = UnsafeRawPointer(Unmanaged.passRetained(dispatch).toOpaque())
    var table = martlet_format_operator()
    table.size = UInt32(MemoryLayout<martlet_format_operator>.size)
    table.info = scopes.makeInfo(flags: 0, takesRoutes: false)
    table.operators = scopes.list(Operators.operators)
    FilterFactory.add(scopes, pointer, .formatter)
    table.setFunctions()
    kind = .formatter(permanent(table))
  }
}

extension martlet_format_operator {
  fileprivate mutating func setFunctions() {
    config_create = { handle, given, out in
      FilterFactory.createConfig(handle, given, out, .formatter)
    }
    config_destroy = { FilterFactory.destroyConfig($0) }
    on_config_timer = { FilterFactory.onConfigTimer($0, $1) }
    on_config_wake = { FilterFactory.onConfigWake($0, $1) }
    worker_create = { FilterFactory.createWorker($0, $1) }
    worker_destroy = { FilterFactory.destroyWorker($0) }
    on_worker_timer = { FilterFactory.onWorkerTimer($0, $1) }
    on_worker_wake = { FilterFactory.onWorkerWake($0, $1) }
    create = { config, handle, name, argument, kind, out in
      guard let config, let kind, let out else { return MARTLET_E_ARGUMENT }
      let record = Unmanaged<ConfigRecord>.fromOpaque(config).takeUnretainedValue()
      return record.makeUse(handle, name, argument, kind, out)
    }
    destroy = { use in
      if let use { Unmanaged<OperatorUse>.fromOpaque(use).release() }
    }
    write = { use, worker, _, format, out in
      guard let use, let worker, let out else { return MARTLET_E_NOT_FOUND }
      let record = worker.assumingMemoryBound(to: WorkerRecord.self)
      return Unmanaged<OperatorUse>.fromOpaque(use)._withUnsafeGuaranteedRef {
        $0.value(record, format, out)
      }
    }
  }
}

extension ConfigRecord {
  fileprivate func makeUse(
    _ handle: martlet_handle, _ name: martlet_bytes, _ argument: martlet_bytes,
    _ kind: UnsafeMutablePointer<martlet_value_kind>, _ out: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  ) -> martlet_status {
    var scope = ConfigurationScope(handle, services)
    let dispatch = Unmanaged<OperatorDispatch>.fromOpaque(dispatch).takeUnretainedValue()
    let text = argument.data == nil ? nil : String(BytesView(unsafe: argument))
    do {
      let use = try dispatch.make(String(BytesView(unsafe: name)), text, settings, &scope)
      if scope.isRefused { return MARTLET_E_ARGUMENT }
      kind.pointee = use.kind.rawValue
      out.pointee = Unmanaged.passRetained(use).toOpaque()
      return MARTLET_OK
    } catch let error as ConfigurationError {
      if !error.isReported { scope.refuse(error.message, at: error.path) }
    } catch {
      scope.refuse("\(error)")
    }
    return MARTLET_E_ARGUMENT
  }
}

extension OperatorUse {
  fileprivate func value(
    _ worker: UnsafeMutablePointer<WorkerRecord>, _ format: martlet_handle,
    _ out: UnsafeMutablePointer<martlet_bytes>
  ) -> martlet_status {
    let buffers = worker.pointee.buffers
    if buffers.depth == buffers.all.count { buffers.all.append(OperatorBuffer()) }
    let buffer = buffers.all[buffers.depth]
    buffer.count = 0
    buffers.depth += 1
    defer { buffers.depth -= 1 }
    let stream = FormatStream(format, worker.pointee.services)
    guard write(stream, worker.pointee.shared, buffer) else { return MARTLET_E_NOT_FOUND }
    out.pointee = martlet_bytes(data: buffer.base, size: buffer.count)
    return MARTLET_OK
  }
}
