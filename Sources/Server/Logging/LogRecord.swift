// One message on its way to the log.
import CServerSystem
import DataPlane
import Glibc

/// A message and where and when it came from.
struct LogRecord {
  var level: LogLevel
  var component: LogComponent
  var text: String
  /// Module and file (`#fileID`); the data plane's messages have its name and line 0.
  var file: String
  var line: UInt
  var time: timespec
  var thread: Int

  init(
    level: LogLevel, component: LogComponent, text: String, file: String, line: UInt,
    time: timespec = LogRecord.now(), thread: Int = Int(martlet_thread_id())
  ) {
    self.level = level
    self.component = component
    self.text = text
    self.file = file
    self.line = line
    self.time = time
    self.thread = thread
  }

  static func now() -> timespec {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return time
  }
}
