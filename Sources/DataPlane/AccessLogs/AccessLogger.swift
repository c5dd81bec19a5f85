// The access logs of one listener, connection manager or TCP proxy on one worker.
import Model

final class AccessLogger {
  private struct Log {
    let filter: AccessLogFilterRuntime?
    let format: FormatProgram
    let writer: AccessLogWriter
  }
  private let logs: [Log]
  let needs: FormatNeeds
  /// Nanoseconds; 0: no lines in between.
  let interval: UInt64
  let logsStart: Bool
  let logsTunnel: Bool

  /// Nil where there is none.
  static func make(
    _ models: [AccessLog], timing: AccessLogTiming = .init(), names: HeaderNameTable,
    writers: AccessLogWriters
  ) -> AccessLogger? {
    models.isEmpty ? nil : AccessLogger(models, timing, names: names, writers: writers)
  }

  private init(
    _ models: [AccessLog], _ timing: AccessLogTiming, names: HeaderNameTable,
    writers: AccessLogWriters
  ) {
    logs = models.compactMap { model in
      guard let writer = writers.writer(for: model.sink) else { return nil }
      return Log(
        filter: model.filter.map { AccessLogFilterRuntime($0, names: names) },
        format: FormatProgram(model.format, names: names), writer: writer)
    }
    needs = logs.reduce([]) { $0.union($1.format.needs) }
    interval = timing.interval?.clampedNanoseconds ?? 0
    logsStart = timing.onStart
    logsTunnel = timing.onTunnel
  }

  /// Writes a line to each log whose filter takes it.
  func log(_ type: AccessLogType, _ context: inout FormatContext) {
    context.logType = type
    for index in logs.indices {
      let log = logs[index]
      if let filter = log.filter, !filter.matches(context) { continue }
      log.format.write(&context, to: log.writer.buffer)
      log.writer.wrote()
    }
  }
}
