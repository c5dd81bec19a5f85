// What the plugin host needs of the rest of the process: the tables that the data plane answers for, its
// half of the core services, and the log.
public import CMartletABI
public import Model

public struct PluginServices: Sendable {
  /// A table of the data plane by its id (`martlet.host.http/1`); nil: there is none.
  public var table: @Sendable (String) -> UnsafeRawPointer?
  public var core: WorkerCore
  public var rateLimits: RateLimits
  /// One line for the log; levels are `MARTLET_LOG_...`.
  public var log: @Sendable (martlet_log_level, String) -> Void
  /// Formats of a plugin that no config scope wants any more: the workers let go of them.
  public var forget: @Sendable (PluginVersion, [FormatNumber]) -> Void

  /// The core services for handles of workers.
  public struct WorkerCore: Sendable {
    public var logEnabled: @convention(c) (martlet_log_level) -> Bool
    public var log: @convention(c) (martlet_handle, martlet_log_level, martlet_bytes) -> martlet_status
    public var now: @convention(c) () -> UInt64
    public var random: @convention(c) () -> UInt64
    public var setTimer: @convention(c) (martlet_handle, UInt32, UInt64) -> martlet_status
    public var wake: @convention(c) (martlet_handle, UInt64) -> martlet_status

    public init(
      logEnabled: @convention(c) (martlet_log_level) -> Bool,
      log: @convention(c) (martlet_handle, martlet_log_level, martlet_bytes) -> martlet_status,
      now: @convention(c) () -> UInt64, random: @convention(c) () -> UInt64,
      setTimer: @convention(c) (martlet_handle, UInt32, UInt64) -> martlet_status,
      wake: @convention(c) (martlet_handle, UInt64) -> martlet_status
    ) {
      self.logEnabled = logEnabled
      self.log = log
      self.now = now
      self.random = random
      self.setTimer = setTimer
      self.wake = wake
    }
  }

  /// What the author tools put between plugins and the host: other tables in the place of the host's and
  /// of a plugin's descriptor, which must live as long as the process. Nil: nothing, as in a proxy.
  public struct Instruments: Sendable {
    /// Of a table that a plugin asks for, by its id; nil: the host has none.
    public var table: @Sendable (String, UnsafeRawPointer?) -> UnsafeRawPointer?
    /// Of a plugin, before it is opened.
    public var descriptor: @Sendable (UnsafePointer<martlet_plugin>) -> UnsafePointer<martlet_plugin>

    public init(
      table: @escaping @Sendable (String, UnsafeRawPointer?) -> UnsafeRawPointer?,
      descriptor: @escaping @Sendable (UnsafePointer<martlet_plugin>) -> UnsafePointer<martlet_plugin>
    ) {
      self.table = table
      self.descriptor = descriptor
    }
  }
  public var instruments: Instruments?

  /// Rate limit rules that filters bring themselves.
  public struct RateLimits: Sendable {
    public typealias Descriptors =
      @convention(c) (
        martlet_handle, UnsafePointer<martlet_descriptor_query>?,
        UnsafeMutablePointer<UnsafePointer<UnsafePointer<martlet_descriptor>?>?>?,
        UnsafeMutablePointer<Int>?
      ) -> martlet_status
    /// Reads messages of `envoy.config.route.v3.RateLimit`, as JSON or in the wire format.
    public var read: @Sendable (_ messages: [[UInt8]], _ isJSON: Bool) -> RateLimitOutcome
    /// The worker's half of the services.
    public var descriptors: Descriptors

    public init(
      read: @escaping @Sendable (_ messages: [[UInt8]], _ isJSON: Bool) -> RateLimitOutcome,
      descriptors: @escaping Descriptors
    ) {
      self.read = read
      self.descriptors = descriptors
    }
  }

  public init(
    core: WorkerCore, rateLimits: RateLimits, table: @escaping @Sendable (String) -> UnsafeRawPointer?,
    forget: @escaping @Sendable (PluginVersion, [FormatNumber]) -> Void,
    log: @escaping @Sendable (martlet_log_level, String) -> Void
  ) {
    self.forget = forget
    self.core = core
    self.rateLimits = rateLimits
    self.table = table
    self.log = log
  }
}
