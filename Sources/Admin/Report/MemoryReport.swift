// What `/memory` shows, in bytes.

public struct MemoryReport: Sendable, Hashable {
  /// In use by the process's objects, as the allocator counts.
  public var allocated: UInt64
  /// Obtained from the system by the allocator.
  public var heapSize: UInt64
  /// Obtained, not in use.
  public var free: UInt64
  /// Resident, of the whole process.
  public var resident: UInt64

  public init(allocated: UInt64, heapSize: UInt64, free: UInt64, resident: UInt64) {
    self.allocated = allocated
    self.heapSize = heapSize
    self.free = free
    self.resident = resident
  }
}
