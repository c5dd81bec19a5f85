// The access logs of one listener, connection manager or TCP proxy on one worker.
import Model

final class AccessLogger {
  private final class Log {
    let filter: AccessLogFilterRuntime?
    let format: FormatProgram
    let writer: AccessLogWriter

    init(_ filter: AccessLogFilterRuntime?, _ format: FormatProgram, _ writer: AccessLogWriter) {
      self.filter = filter
      self.format = format
      self.writer = writer
    }
  }
  private let owned: [Log]
  /// The same, without reference counting.
  private let logs: UnsafeMutablePointer<Unmanaged<Log>>
  let needs: FormatNeeds
  /// Nanoseconds; 0: no lines in between.
  let interval: UInt64
  let logsStart: Bool
  let logsTunnel: Bool

  /// Nil where there is none.
  static func make(
    _ models: [AccessLog], timing: AccessLogTiming = .init(), context: WorkerContext,
    writers: AccessLogWriters
  ) -> AccessLogger? {
    models.isEmpty ? nil : AccessLogger(models, timing, context: context, writers: writers)
  }

  private init(
    _ models: [AccessLog], _ timing: AccessLogTiming, context: WorkerContext,
    writers: AccessLogWriters
  ) {
    owned = models.compactMap { model in
      guard let writer = writers.writer(for: model.sink) else { return nil }
      return Log(
        model.filter.map { AccessLogFilterRuntime($0, context: context) },
        FormatProgram(model.format, names: context.names), writer)
    }
    logs = .allocate(capacity: Swift.max(owned.count, 1))
    for (index, log) in owned.enumerated() { (logs + index).initialize(to: .passUnretained(log)) }
    needs = owned.reduce([]) { $0.union($1.format.needs) }
    interval = timing.interval?.clampedNanoseconds ?? 0
    logsStart = timing.onStart
    logsTunnel = timing.onTunnel
  }

  deinit { logs.deallocate() }

  /// Writes a line to each log whose filter takes it.
  func log(_ type: AccessLogType, _ context: inout FormatContext) {
    context.logType = type
    for index in 0..<owned.count {
      logs[index]._withUnsafeGuaranteedRef { log in
        if let filter = log.filter, !filter.matches(context) { return }
        log.format.write(&context, to: log.writer.buffer)
        log.writer.wrote()
      }
    }
  }
}
