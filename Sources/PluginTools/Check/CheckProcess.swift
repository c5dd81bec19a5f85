// A child process of a check: this program again, with one test. Its findings come through a pipe; what it
// prints otherwise is kept for the author to see.
import CMartletSystem
import Glibc

/// One line of a child's.
struct CheckLine: Sendable {
  var kind: Character
  var requirement: String
  var text: String

  init?(_ line: Substring) {
    let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard let kind = parts.first?.first, parts[0].count == 1 else { return nil }
    self.kind = kind
    if kind == "U" || kind == "Q" {
      requirement = ""
      text = parts.dropFirst().joined(separator: " ")
    } else {
      requirement = parts.count > 1 ? String(parts[1]) : ""
      text = parts.count > 2 ? String(parts[2]) : ""
    }
  }
}

final class CheckProcess {
  let test: CheckTest
  let denied: String
  private let process: pid_t
  private let pipe: Int32
  private let output: Int32
  private let deadline: ContinuousClock.Instant
  private var received: [UInt8] = []
  private(set) var isOver = false
  private(set) var isLate = false
  /// As `waitpid` gives it.
  private var status: Int32 = 0

  /// Where a child finds the pipe.
  static let report: Int32 = 19

  /// A test draws no new messages after some seconds; what takes so much longer hangs.
  static let limit = Duration.seconds(120)

  init(_ options: CheckOptions, _ test: CheckTest, denied: String = "", seed: UInt64) throws(ToolProblem) {
    self.test = test
    self.denied = denied
    var ends: [Int32] = [0, 0]
    guard Glibc.pipe(&ends) == 0 else { throw ToolProblem("pipe: \(Output.systemError)") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    pipe = ends[0]
    output = martlet_memory_file("martlet-plugin-check")
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
    posix_spawn_file_actions_adddup2(&actions, ends[1], Self.report)
    var words = (["martlet"] + options.arguments(test, denied: denied, seed: seed)).map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var started: pid_t = 0
    let code = posix_spawn(&started, "/proc/self/exe", &actions, nil, &words, environ)
    close(ends[1])
    guard code == 0 else { throw ToolProblem("cannot start a process: \(String(cString: strerror(code)))") }
    process = started
    deadline = .now + Self.limit
  }

  deinit {
    close(pipe)
    if output >= 0 { close(output) }
  }

  /// Waits a moment for it. True: it is over.
  func poll(milliseconds: Int32) -> Bool {
    if isOver { return true }
    var entry = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
    if Glibc.poll(&entry, 1, milliseconds) > 0 {
      var chunk = [UInt8](repeating: 0, count: 1 << 14)
      let count = read(pipe, &chunk, chunk.count)
      if count > 0 { received += chunk[..<count] }
      if count == 0 { finish() }
    }
    if !isOver, ContinuousClock.now > deadline {
      isLate = true
      kill(process, SIGKILL)
      finish()
    }
    return isOver
  }

  /// The pipe is closed, or it was ended.
  private func finish() {
    // A process that has closed its pipe and goes on is ended too.
    for _ in 0..<200 where waitpid(process, &status, WNOHANG) == 0 { usleep(10_000) }
    if waitpid(process, nil, WNOHANG) == 0 {
      kill(process, SIGKILL)
      waitpid(process, &status, 0)
    }
    isOver = true
  }

  var lines: [CheckLine] {
    String(decoding: received, as: UTF8.self).split(separator: "\n").compactMap { CheckLine($0) }
  }
  var isDone: Bool { lines.contains { $0.kind == "D" } }
  /// It has ended of itself, in the middle: nothing of ours ends it like that.
  var hasVanished: Bool { !isLate && !isDone && !lines.contains { $0.kind == "C" || $0.kind == "U" } }
  var endedBy: String {
    let signal = status & 0x7f
    return signal == 0 ? "exit code \(status >> 8 & 0xff)" : "signal \(signal)"
  }

  /// The last lines that it has printed.
  var lastWords: [String] {
    guard output >= 0 else { return [] }
    lseek(output, 0, SEEK_SET)
    var all: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    while all.count < 1 << 20 {
      let count = read(output, &chunk, chunk.count)
      guard count > 0 else { break }
      all += chunk[..<count]
    }
    return String(decoding: all, as: UTF8.self).split(separator: "\n").suffix(4).map(String.init)
  }
}
