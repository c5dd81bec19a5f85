// A file of access log lines, written in batches (`--file-flush-interval-msec`).
import Glibc
import Model

/// Appends lines to a file. May be written from any thread; lines wait in memory until
/// `flush()`, or until there are enough of them.
final class BufferedFile: Sendable {
  /// Envoy's `--file-flush-min-size-kb` default.
  static let flushSize = 64 << 10

  private struct State {
    var descriptor: Int32
    var waiting: [UInt8] = []
  }
  private let path: String
  private let state: Locked<State>

  init(path: String) throws(OptionError) {
    self.path = path
    state = Locked(State(descriptor: try Self.open(path)))
  }

  func append(_ line: String) {
    state.withLock { state in
      state.waiting += line.utf8
      if state.waiting.count >= Self.flushSize { Self.flush(&state) }
    }
  }

  func flush() { state.withLock { Self.flush(&$0) } }

  /// After a rotation. Where the path cannot be opened the old file is kept, and the reason thrown.
  func reopen() throws(OptionError) {
    let fresh = try Self.open(path)
    state.withLock { state in
      Self.flush(&state)
      close(state.descriptor)
      state.descriptor = fresh
    }
  }

  private static func flush(_ state: inout State) {
    FileDescriptor.write(state.waiting, to: state.descriptor)
    state.waiting.removeAll(keepingCapacity: true)
  }

  private static func open(_ path: String) throws(OptionError) -> Int32 {
    let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw OptionError(
        "cannot open admin access log '\(path)': \(String(cString: strerror(errno)))")
    }
    return descriptor
  }
}
