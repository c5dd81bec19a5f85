// What the kernel says of this process's memory, for `server.memory_*` and `/memory`.
import CServerSystem
import Glibc

/// Memory of this process, in bytes.
enum ProcessMemory {
  /// Resident; 0 where the kernel does not say.
  static func resident() -> UInt64 {
    guard let text = SmallFile.read("/proc/self/statm") else { return 0 }
    let words = text.split(separator: " ")
    guard words.count > 1, let pages = UInt64(words[1]) else { return 0 }
    return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// In use by, and obtained by, the allocator.
  static func allocator() -> (inUse: UInt64, obtained: UInt64) {
    var inUse: UInt64 = 0
    var obtained: UInt64 = 0
    martlet_allocator(&inUse, &obtained)
    return (inUse, obtained)
  }
}
