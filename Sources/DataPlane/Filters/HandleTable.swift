// A worker's objects by handle, for the C functions that get a handle and nothing else. It hangs at
// the worker's thread: a call from any other thread finds nothing.
import CMartletSystem

final class HandleTable {
  let connections: Slab<Connection>
  /// Places in the filter chains of streams: all are `HTTPFilterSlot`, of a room above this one.
  let httpFilters: Slab<TimerTarget>

  init(worker: Int) {
    connections = Slab(worker: worker, kind: 0)
    httpFilters = Slab(worker: worker, kind: 1)
  }

  /// Makes this the table of the calling thread, which must be its worker's.
  func install() { martlet_set_thread_pointer(Unmanaged.passUnretained(self).toOpaque()) }

  /// Nil on a thread that is no worker's.
  @inline(__always)
  static var current: HandleTable? {
    guard let table = martlet_thread_pointer() else { return nil }
    return Unmanaged<HandleTable>.fromOpaque(table).takeUnretainedValue()
  }

  static func connection(_ handle: UInt64) -> Connection? {
    current?.connections[Handle(rawValue: handle)]
  }
}
