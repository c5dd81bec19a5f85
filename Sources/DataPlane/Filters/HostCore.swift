// The workers' half of `martlet.host.core/1`, and the tables of the data plane by their ids. The plugin host
// puts the two halves together.
public import CMartletABI
import CMartletSystem
public import Model

/// How a thread that is none of the data plane's reaches a worker by its number.
final class WorkerDoors: Sendable {
  static let shared = WorkerDoors()
  private let doors = Locked<[Int: @Sendable (@escaping @Sendable () -> Void) -> Void]>([:])

  /// `post` runs a message on that worker.
  func open(_ worker: Int, post: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
    doors.withLock { $0[worker] = post }
  }
  func close(_ worker: Int) { doors.withLock { $0[worker] = nil } }

  /// On every worker.
  func postAll(_ message: @escaping @Sendable () -> Void) {
    for post in doors.withLock({ Array($0.values) }) { post(message) }
  }

  /// False: there is no such worker.
  func post(_ worker: Int, _ message: @escaping @Sendable () -> Void) -> Bool {
    guard let post = doors.withLock({ $0[worker] }) else { return false }
    post(message)
    return true
  }
}

/// What plugins get of the data plane.
public enum PluginTables {
  /// A table by its id; nil: not the data plane's.
  public static func table(_ id: String) -> UnsafeRawPointer? {
    tables.withLock { $0[id] }.flatMap { UnsafeRawPointer(bitPattern: $0) }
  }

  /// Addresses, which live as long as the process.
  private static let tables = Locked<[String: UInt]>([
    "martlet.host.metrics/1": UInt(bitPattern: HostMetricServices.table),
    "martlet.host.text/1": UInt(bitPattern: HostTextServices.table),
    "martlet.host.stream_info/1": UInt(bitPattern: HostStreamInfoServices.table),
    "martlet.host.network/1": UInt(bitPattern: HostNetworkServices.table),
  ])

  /// From rooms above this one.
  static func add(_ id: String, _ table: UnsafeRawPointer) {
    tables.withLock { $0[id] = UInt(bitPattern: table) }
  }

  /// Formats of a plugin that no config scope wants any more: the workers let go of them.
  public static func forget(_ formats: [FormatNumber], of version: PluginVersion) {
    WorkerDoors.shared.postAll { HandleTable.current?.forget(formats, of: version) }
  }

  public static let logEnabled: @convention(c) (martlet_log_level) -> Bool = { level in
    guard let threshold else { return false }
    return Int(level) >= threshold.value
  }
  /// Of the process's data plane; what is logged off the workers goes by it too. Set before any plugin is
  /// opened, never again.
  nonisolated(unsafe) private(set) static var threshold: LogThreshold?
  static func use(_ log: LogThreshold) { if threshold == nil { threshold = log } }

  public static let log: @convention(c) (martlet_handle, martlet_log_level, martlet_bytes) -> martlet_status =
    {
      owner, level, message in
      guard let level = LogLevel(rawValue: Int(level)), level < .off else { return MARTLET_E_ARGUMENT }
      // Off its worker, or after its end, nothing is known of the owner: the line is the plugin's
      // all the same.
      guard let scope = HandleTable.scope(owner) else { return MARTLET_E_ARGUMENT }
      scope.context.log(
        level, "filter", "\(scope.name): \(String(decoding: view(message).array, as: UTF8.self))")
      return MARTLET_OK
    }

  public static let now: @convention(c) () -> UInt64 = {
    HandleTable.current?.now ?? martlet_monotonic_nanoseconds()
  }

  public static let random: @convention(c) () -> UInt64 = {
    if let context = HandleTable.current?.context { return context.random.next() }
    return UInt64.random(in: 0...UInt64.max)
  }

  public static let setTimer: @convention(c) (martlet_handle, UInt32, UInt64) -> martlet_status = {
    handle, timer, milliseconds in
    guard let scope = HandleTable.scope(handle) else { return MARTLET_E_GONE }
    return scope.setTimer(timer, milliseconds: milliseconds)
  }

  public static let wake: @convention(c) (martlet_handle, UInt64) -> martlet_status = { handle, token in
    let worker = Int(handle >> 56) - 1
    guard worker >= 0 else { return MARTLET_E_GONE }
    let posted = WorkerDoors.shared.post(worker) { HandleTable.scope(handle)?.woken(token) }
    return posted ? MARTLET_OK : MARTLET_E_GONE
  }
}
