// The application log: one line a message, to standard error or to `--log-path`.
//
// A line is one `write`, so that lines of several processes on one file never mix, and it is
// written at once: what a process said last before it died is what one wants to read. Logging is
// rare; no request logs at the default level.
import CMartletBlame
public import DataPlane
import Glibc
import Model

/// The log of this process. May be written from any thread.
public final class Log: Sendable {
  private let pattern: LogPattern
  private let path: String?
  /// The level of all components, and of those that have one of their own.
  private struct Levels {
    var all: LogLevel
    var components: [LogComponent: LogLevel]
  }
  private let levels: Locked<Levels>
  /// The descriptor written to; held while writing, so that a reopen never closes it under a line.
  private let output: Locked<Int32>
  private let coloured: Bool

  /// Opens `--log-path`, which is created where it is missing.
  public init(_ options: ServerOptions) throws(OptionError) {
    pattern = options.logFormat
    path = options.logPath
    levels = Locked(Levels(all: options.logLevel, components: options.componentLevels))
    let descriptor = try options.logPath.map(Self.open) ?? STDERR_FILENO
    coloured = options.logPath == nil && isatty(STDERR_FILENO) == 1
    output = Locked(descriptor)
    if options.logPath != nil { martlet_crash_log(descriptor) }
  }

  /// The least severe level of any component: what the data plane need not even format.
  public var minimumLevel: LogLevel {
    levels.withLock { min($0.all, $0.components.values.min() ?? $0.all) }
  }

  public func level(of component: LogComponent) -> LogLevel {
    levels.withLock { $0.components[component] ?? $0.all }
  }

  /// Sets the level of one component, or of all where it is nil.
  public func setLevel(_ level: LogLevel, of component: LogComponent?) {
    levels.withLock { levels in
      if let component {
        levels.components[component] = level
      } else {
        levels = Levels(all: level, components: [:])
      }
    }
  }

  public func isEnabled(_ level: LogLevel, _ component: LogComponent) -> Bool {
    level >= self.level(of: component) && level != .off
  }

  public func write(
    _ level: LogLevel, _ component: LogComponent, _ text: @autoclosure () -> String,
    file: String = #fileID, line: UInt = #line
  ) {
    guard isEnabled(level, component) else { return }
    let record = LogRecord(
      level: level, component: component, text: text(), file: file, line: line)
    let bytes = Array(pattern.line(for: record, coloured: coloured).utf8)
    output.withLock { FileDescriptor.write(bytes, to: $0) }
  }

  /// What the data plane is given: its messages carry no position of their own.
  public var sink: LogSink {
    { [self] level, component, text in
      let component = LogComponent(rawValue: "\(component)") ?? .main
      write(level, component, text, file: "DataPlane", line: 0)
    }
  }

  /// Opens the path again after a rotation (SIGUSR1). Where that fails the old file is kept.
  public func reopen() {
    guard let path else { return }
    do {
      let fresh = try Self.open(path)
      output.withLock { current in
        // Before the old one goes: a thread may be dying just now.
        martlet_crash_log(fresh)
        close(current)
        current = fresh
      }
    } catch {
      write(.error, .main, error.description)
    }
  }

  private static func open(_ path: String) throws(OptionError) -> Int32 {
    let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw OptionError("cannot open log file '\(path)': \(String(cString: strerror(errno)))")
    }
    return descriptor
  }
}
