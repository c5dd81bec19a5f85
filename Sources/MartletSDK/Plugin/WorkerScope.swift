// A filter on one worker thread.
public import CMartletABI

/// A filter on one worker thread. Valid for the call that it is handed to.
@frozen
public struct WorkerScope: WorkerBoundScope, ~Copyable, ~Escapable {
  public let _handle: martlet_handle
  public let _services: UnsafePointer<HostServices>

  @inlinable
  @_lifetime(immortal)
  init(_ handle: martlet_handle, _ services: UnsafePointer<HostServices>) {
    _handle = handle
    _services = services
  }
}

/// What the streams or connections of a filter share on one worker: made from its settings on the
/// worker's thread and used there alone, so that it may change without a lock. A filter names it as
/// its `Shared`.
public protocol FilterWorker: AnyObject, SendableMetatype {
  associatedtype Settings: FilterSettings
  /// Worker thread, once.
  init(_ worker: inout WorkerScope, _ settings: Settings)
  /// A timer of the worker's scope is due. Does nothing unless implemented.
  func onTimer(_ worker: inout WorkerScope, timer: Int)
  /// A `Waker` of the worker's scope was used. Does nothing unless implemented.
  func onWake(_ worker: inout WorkerScope, token: UInt64)
}

extension FilterWorker {
  public func onTimer(_ worker: inout WorkerScope, timer: Int) {}
  public func onWake(_ worker: inout WorkerScope, token: UInt64) {}
}

/// A worker scope as the host holds it. The SDK's own.
@usableFromInline
struct WorkerRecord {
  @usableFromInline let services: UnsafePointer<HostServices>
  @usableFromInline let handle: UInt64
  /// What hooks are handed, kept alive by this record.
  @usableFromInline let shared: UnsafeRawPointer
  /// The HTTPDispatch, NetworkDispatch or OperatorDispatch.
  @usableFromInline let dispatch: UnsafeRawPointer
  @usableFromInline let routeSettings: ObjectIdentifier
  let config: ConfigRecord
  /// Slots that are free, in a chain: a stream after the first allocates nothing.
  @usableFromInline var free: UnsafeMutableRawPointer?
  /// Of format operators.
  let buffers = OperatorBuffers()

  /// Memory for a filter, counted by the host as the plugin's.
  @inlinable
  mutating func takeSlot<Slot>(_ layout: MemoryLayout<Slot>.Type) -> UnsafeMutableRawPointer {
    if let slot = free {
      free = slot.load(as: UnsafeMutableRawPointer?.self)
      return slot
    }
    precondition(layout.alignment <= 16, "a filter's alignment is more than 16")
    guard let slot = services.pointee.core.allocate(services.pointee.plugin, layout.size) else {
      fatalError("out of memory")
    }
    return slot
  }

  @inlinable
  mutating func giveBack(_ slot: UnsafeMutableRawPointer) {
    slot.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
    free = slot
  }

  mutating func releaseSlots() {
    while let slot = free {
      free = slot.load(as: UnsafeMutableRawPointer?.self)
      services.pointee.core.release(services.pointee.plugin, slot)
    }
  }
}
