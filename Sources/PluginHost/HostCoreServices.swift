// `martlet.host.core/1`: log, clocks, timers, wake, memory. Handles of workers are the data plane's affair;
// those of the control side are answered here.
import CMartletABI
import CMartletBlame
import CMartletSystem
import Glibc
import Synchronization

enum HostCoreServices {
  /// Bytes that each plugin holds of the host's allocator, by the slot of its handle.
  nonisolated(unsafe) private static let held: UnsafeMutablePointer<Atomic<Int>> = {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: maxCounted * MemoryLayout<Atomic<Int>>.stride, alignment: 64)
    memory.initializeMemory(
      as: UInt8.self, repeating: 0, count: maxCounted * MemoryLayout<Atomic<Int>>.stride)
    return memory.bindMemory(to: Atomic<Int>.self, capacity: maxCounted)
  }()
  private static let maxCounted = 4096

  private static func count(_ plugin: martlet_handle, _ bytes: Int) {
    let slot = Int(plugin & 0x3fff_ffff)
    if bytes > 0 { martlet_call_allocated(UInt64(bytes)) }
    guard ControlHandle.isControl(plugin), slot < maxCounted else { return }
    held[slot].add(bytes, ordering: .relaxed)
  }

  static func bytesHeld(by plugin: martlet_handle) -> Int {
    let slot = Int(plugin & 0x3fff_ffff)
    return slot < maxCounted ? held[slot].load(ordering: .relaxed) : 0
  }

  static func make(_ worker: PluginServices.WorkerCore) -> UnsafePointer<martlet_host_core> {
    let table = UnsafeMutablePointer<martlet_host_core>.allocate(capacity: 1)
    table.initialize(
      to: martlet_host_core(
        size: UInt32(MemoryLayout<martlet_host_core>.size),
        log_enabled: worker.logEnabled,
        log: { owner, level, message in
          guard let host = HostConfigServices.host else { return MARTLET_E_ARGUMENT }
          guard ControlHandle.isControl(owner) else { return host.services.core.log(owner, level, message) }
          guard (MARTLET_LOG_TRACE...MARTLET_LOG_CRITICAL).contains(level) else { return MARTLET_E_ARGUMENT }
          if host.services.core.logEnabled(level) {
            host.services.log(level, "\(host.name(of: owner)): \(String(message))")
          }
          return MARTLET_OK
        },
        now: worker.now,
        wall_clock: {
          var time = timespec()
          clock_gettime(CLOCK_REALTIME, &time)
          return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        },
        random: worker.random,
        set_timer: { handle, timer, milliseconds in
          guard let host = HostConfigServices.host else { return MARTLET_E_GONE }
          if ControlHandle.isControl(handle) { return host.setTimer(handle, timer, milliseconds) }
          return host.services.core.setTimer(handle, timer, milliseconds)
        },
        wake: { handle, token in
          guard let host = HostConfigServices.host else { return MARTLET_E_GONE }
          if ControlHandle.isControl(handle) { return host.wake(handle, token) }
          return host.services.core.wake(handle, token)
        },
        allocate: { plugin, size in
          let memory = malloc(size)
          if let memory { HostCoreServices.count(plugin, martlet_malloc_size(memory)) }
          return memory
        },
        reallocate: { plugin, memory, size in
          let before = memory.map { martlet_malloc_size($0) } ?? 0
          let moved = realloc(memory, size)
          if let moved {
            HostCoreServices.count(plugin, martlet_malloc_size(moved) - before)
          } else if size == 0 {
            HostCoreServices.count(plugin, -before)
          }
          return moved
        },
        release: { plugin, memory in
          guard let memory else { return }
          HostCoreServices.count(plugin, -martlet_malloc_size(memory))
          free(memory)
        }))
    return UnsafePointer(table)
  }
}
