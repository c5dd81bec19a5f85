// From a C function to a hook of one type of network filter; see HTTPDispatch.
import CMartletABI

/// One network filter type's hooks. The SDK's own.
public final class NetworkDispatch: Sendable {
  public typealias Plain = @Sendable (UnsafeMutableRawPointer) -> NetworkStatus
  public typealias Data = @Sendable (UnsafeMutableRawPointer, Bool) -> NetworkStatus
  public typealias Timer = @Sendable (UnsafeMutableRawPointer, Int) -> Void
  public typealias Wake = @Sendable (UnsafeMutableRawPointer, UInt64) -> Void
  public typealias Close = @Sendable (UnsafeMutableRawPointer) -> Void
  @usableFromInline
  typealias Create = @Sendable (UnsafeMutablePointer<WorkerRecord>, UInt64) -> UnsafeMutableRawPointer

  @usableFromInline let create: Create
  @usableFromInline let destroy: Close
  @usableFromInline let newConnection: Plain
  @usableFromInline let data: Data
  @usableFromInline let write: Plain
  @usableFromInline let timer: Timer
  @usableFromInline let wake: Wake
  @usableFromInline let close: Close
  @usableFromInline let hooks: Hooks

  /// Which of them the filter has; see HTTPDispatch.
  @usableFromInline
  struct Hooks: Sendable {
    @usableFromInline let newConnection, data, write, timer, wake, close: Bool

    @inlinable
    init<Filter: NetworkFilter>(_ type: Filter.Type) {
      newConnection = Filter._newConnection != nil
      data = Filter._data != nil
      write = Filter._write != nil
      timer = Filter._connectionTimer != nil
      wake = Filter._connectionWake != nil
      close = Filter._close != nil
    }
  }

  @inlinable
  init<Filter: NetworkFilter>(_ type: Filter.Type) {
    hooks = Hooks(type)
    create = { worker, connection in NetworkSlot<Filter>.create(worker, connection) }
    destroy = { NetworkSlot<Filter>.destroy($0) }
    newConnection = Filter._newConnection ?? { _ in .continue }
    data = Filter._data ?? { _, _ in .continue }
    write = Filter._write ?? { _ in .continue }
    timer = Filter._connectionTimer ?? { _, _ in }
    wake = Filter._connectionWake ?? { _, _ in }
    close = Filter._close ?? { _ in }
  }
}

/// A filter in its place: what the host holds as `void *filter`.
@frozen
@usableFromInline
struct NetworkSlot<Filter: NetworkFilter> {
  @usableFromInline var header: SlotHeader
  @usableFromInline var filter: Filter

  @inlinable
  init(header: SlotHeader, filter: Filter) {
    self.header = header
    self.filter = filter
  }

  @inlinable
  static func create(
    _ worker: UnsafeMutablePointer<WorkerRecord>, _ handle: UInt64
  ) -> UnsafeMutableRawPointer {
    let memory = worker.pointee.takeSlot(MemoryLayout<NetworkSlot>.self)
    let slot = memory.assumingMemoryBound(to: NetworkSlot.self)
    let header = SlotHeader(
      dispatch: worker.pointee.dispatch, handle: handle, worker: worker)
    let shared = Unmanaged<Filter.Shared>.fromOpaque(worker.pointee.shared)
    var connection = NetworkConnection(header)
    let filter = shared._withUnsafeGuaranteedRef { Filter(&connection, $0) }
    slot.initialize(to: NetworkSlot(header: header, filter: filter))
    return memory
  }

  @inlinable
  static func destroy(_ memory: UnsafeMutableRawPointer) {
    let slot = memory.assumingMemoryBound(to: NetworkSlot.self)
    let worker = slot.pointee.header.worker
    slot.deinitialize(count: 1)
    worker.pointee.giveBack(memory)
  }

  /// Calls a hook with its connection and what it shares.
  @inlinable
  @inline(__always)
  static func call<Result>(
    _ memory: UnsafeMutableRawPointer,
    _ hook: (inout Filter, inout NetworkConnection, Filter.Shared) -> Result
  ) -> Result {
    let slot = memory.assumingMemoryBound(to: NetworkSlot.self)
    var connection = NetworkConnection(slot.pointee.header)
    let shared = Unmanaged<Filter.Shared>.fromOpaque(slot.pointee.header.worker.pointee.shared)
    return shared._withUnsafeGuaranteedRef { hook(&slot.pointee.filter, &connection, $0) }
  }
}

extension OnNewConnection {
  @inlinable
  public static var _newConnection: NetworkDispatch.Plain? {
    { slot in NetworkSlot<Self>.call(slot) { $0.onNewConnection(&$1, $2) } }
  }
}

extension OnData {
  @inlinable
  public static var _data: NetworkDispatch.Data? {
    { slot, end in NetworkSlot<Self>.call(slot) { $0.onData(&$1, $2, end: end) } }
  }
}

extension OnWrite {
  @inlinable
  public static var _write: NetworkDispatch.Plain? {
    { slot in NetworkSlot<Self>.call(slot) { $0.onWrite(&$1, $2) } }
  }
}

extension OnConnectionTimer {
  @inlinable
  public static var _connectionTimer: NetworkDispatch.Timer? {
    { slot, timer in NetworkSlot<Self>.call(slot) { $0.onTimer(&$1, $2, timer: timer) } }
  }
}

extension OnConnectionWake {
  @inlinable
  public static var _connectionWake: NetworkDispatch.Wake? {
    { slot, token in NetworkSlot<Self>.call(slot) { $0.onWake(&$1, $2, token: token) } }
  }
}

extension OnClose {
  @inlinable
  public static var _close: NetworkDispatch.Close? {
    { slot in NetworkSlot<Self>.call(slot) { $0.onClose(&$1, $2) } }
  }
}

extension PluginFilter {
  /// The table of a filter type, for ever.
  @usableFromInline
  init(_ dispatch: NetworkDispatch, isTerminal: Bool, _ scopes: FilterScopes) {
    // For the life of the process.
    let pointer = UnsafeRawPointer(Unmanaged.passRetained(dispatch).toOpaque())
    var table = martlet_network_filter()
    table.size = UInt32(MemoryLayout<martlet_network_filter>.size)
    table.info = scopes.makeInfo(
      flags: isTerminal ? MARTLET_FILTER_TERMINAL : 0, takesRoutes: false)
    FilterFactory.add(scopes, pointer, .network)
    table.setScopes()
    table.setConnections()
    table.setHooks(dispatch)
    kind = .network(permanent(table))
  }
}

extension martlet_network_filter {
  fileprivate mutating func setScopes() {
    config_create = { handle, given, out in
      FilterFactory.createConfig(handle, given, out, .network)
    }
    config_destroy = { FilterFactory.destroyConfig($0) }
    on_config_timer = { FilterFactory.onConfigTimer($0, $1) }
    on_config_wake = { FilterFactory.onConfigWake($0, $1) }
    worker_create = { FilterFactory.createWorker($0, $1) }
    worker_destroy = { FilterFactory.destroyWorker($0) }
    on_worker_timer = { FilterFactory.onWorkerTimer($0, $1) }
    on_worker_wake = { FilterFactory.onWorkerWake($0, $1) }
  }

  fileprivate mutating func setConnections() {
    create = { _, worker, _, connection in
      guard let worker else { return nil }
      let record = worker.assumingMemoryBound(to: WorkerRecord.self)
      return Unmanaged<NetworkDispatch>.fromOpaque(record.pointee.dispatch)._withUnsafeGuaranteedRef {
        $0.create(record, connection)
      }
    }
    destroy = { filter in
      guard let filter else { return }
      NetworkDispatch.with(filter) { $0.destroy($1) }
    }
  }

  /// A hook that the filter does not have stays NULL.
  fileprivate mutating func setHooks(_ dispatch: NetworkDispatch) {
    if dispatch.hooks.newConnection {
      on_new_connection = { slot in NetworkDispatch.with(slot!) { $0.newConnection($1) }.rawValue }
    }
    if dispatch.hooks.data {
      on_data = { slot, end in NetworkDispatch.with(slot!) { $0.data($1, end) }.rawValue }
    }
    if dispatch.hooks.write {
      on_write = { slot in NetworkDispatch.with(slot!) { $0.write($1) }.rawValue }
    }
    if dispatch.hooks.timer {
      on_timer = { slot, timer in NetworkDispatch.with(slot!) { $0.timer($1, Int(timer)) } }
    }
    if dispatch.hooks.wake {
      on_wake = { slot, token in NetworkDispatch.with(slot!) { $0.wake($1, token) } }
    }
    if dispatch.hooks.close {
      on_close = { slot in NetworkDispatch.with(slot!) { $0.close($1) } }
    }
  }
}

extension NetworkDispatch {
  /// Calls `body` with the hooks of the filter in a slot, which its first word names, and the slot.
  @inline(__always)
  fileprivate static func with<Result>(
    _ slot: UnsafeMutableRawPointer, _ body: (NetworkDispatch, UnsafeMutableRawPointer) -> Result
  ) -> Result {
    Unmanaged<NetworkDispatch>.fromOpaque(slot.load(as: UnsafeRawPointer.self))
      ._withUnsafeGuaranteedRef { body($0, slot) }
  }
}
