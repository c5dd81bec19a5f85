// A worker's side of a log file: lines gather in a buffer of the worker's own, and go to the file's
// thread when there are enough of them or the flush interval is over.
import Model

final class AccessLogWriter: TimerTarget {
  private let file: AccessLogFile
  private let reactor: Reactor
  private let interval: UInt64
  let buffer = TextBuffer(capacity: AccessLogWriter.flushSize + 4096)
  private var lines: UInt64 = 0
  private var timer = TimerID.none

  /// Enough bytes to hand over.
  private static let flushSize = 32 << 10

  init(file: AccessLogFile, reactor: Reactor, interval: UInt64) {
    self.file = file
    self.reactor = reactor
    self.interval = interval
    super.init()
  }

  /// A line stands in the buffer.
  @inline(__always)
  func wrote() {
    lines &+= 1
    if buffer.count >= AccessLogWriter.flushSize {
      flush(byTimer: false)
    } else if timer == .none {
      timer = reactor.timers.add(self, at: reactor.now &+ interval)
    }
  }

  override func timerFired(now: UInt64) {
    timer = .none
    flush(byTimer: true)
  }

  func flush(byTimer: Bool) {
    if buffer.count > 0 {
      file.append(UnsafePointer(buffer.base), buffer.count, lines: lines, byTimer: byTimer)
    }
    lines = 0
    buffer.clear()
    buffer.shrink(to: AccessLogWriter.flushSize + 4096)
  }
}

/// The writers of one worker, one a file.
final class AccessLogWriters {
  private let files: AccessLogFiles
  private let reactor: Reactor
  private let interval: UInt64
  private var writers: [String: AccessLogWriter] = [:]

  init(files: AccessLogFiles, reactor: Reactor, interval: UInt64) {
    self.files = files
    self.reactor = reactor
    self.interval = interval
  }

  /// Nil where the file was not opened, which the control side does before.
  func writer(for sink: AccessLog.Sink) -> AccessLogWriter? {
    let path = sink.path
    if let writer = writers[path] { return writer }
    guard let file = files.opened(path) else { return nil }
    let writer = AccessLogWriter(file: file, reactor: reactor, interval: interval)
    writers[path] = writer
    return writer
  }

  func flush() { for writer in writers.values { writer.flush(byTimer: false) } }

  /// Forgets the writers of files that the configuration does not name any more.
  func keep(only paths: Set<String>) {
    for (path, writer) in writers where !paths.contains(path) {
      writer.flush(byTimer: false)
      writers[path] = nil
    }
  }
}

extension AccessLog.Sink {
  var path: String {
    switch self {
    case .file(let path): path
    case .standardOutput: "/dev/stdout"
    case .standardError: "/dev/stderr"
    }
  }
}
