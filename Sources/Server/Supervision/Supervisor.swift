// The process that `--supervise` starts first. It holds the listening sockets, and nothing else of the
// proxy: no plugin, no configuration, no connection, one thread. It starts this program again as the
// serving process, starts it again when that dies by a signal, and hands the same sockets over, so that
// whoever connects in between waits in the kernel's queue and is served.
//
// What it remembers besides is who was blamed for crashes, and one description of each plugin that was
// loaded (a file in memory, as the serving process has written it).
import CMartletBlame
import CServerSystem
import Glibc

final class Supervisor {
  private let log: Log
  private let signals: Int32
  private let page: (descriptor: Int32, crash: UnsafeMutablePointer<martlet_crash>)
  private var child: Int64 = 0
  /// Our end of the conversation with the child; -1: there is none.
  private var conversation: Int32 = -1
  private var kept: [String: Int32] = [:]
  /// Sockets that the present child has taken or brought.
  private var claimed: Set<String> = []
  private var crashes: [(line: CrashLine, at: ContinuousClock.Instant)] = []
  private var restarts = 0
  private var policy = RestartPolicy()
  private var restartAt: ContinuousClock.Instant?
  private var isStopping = false

  /// Crashes that are remembered.
  private static let memory = 64

  /// Returns the exit code: that of the serving process, or 128 and the signal that it died by at last. On
  /// the main thread, before any other exists.
  static func run(_ options: ServerOptions) throws(OptionError) -> Int32 {
    try Supervisor(options).main()
  }

  private init(_ options: ServerOptions) throws(OptionError) {
    log = try Log(options)
    signals = martlet_supervisor_signals()
    var memory: UnsafeMutableRawPointer?
    let descriptor = martlet_shared_memory(MemoryLayout<martlet_crash>.size, &memory)
    guard signals >= 0, descriptor >= 0, let memory else {
      let code = -min(signals, descriptor)
      throw OptionError("--supervise: \(String(cString: strerror(code)))")
    }
    page = (descriptor, memory.bindMemory(to: martlet_crash.self, capacity: 1))
  }

  private func main() throws(OptionError) -> Int32 {
    try start()
    while true {
      let wait = restartAt.map { ContinuousClock.now.duration(to: $0) / .milliseconds(1) } ?? 3_600_000
      let ready = martlet_wait_readable(signals, conversation, Int64(max(0, wait.rounded(.up))))
      if ready & 2 != 0 { answer() }
      if ready & 4 != 0 { endConversation() }
      if ready & 1 != 0, let code = takeSignals() { return code }
      if let at = restartAt, at <= .now {
        restartAt = nil
        restarts += 1
        try start()
      }
    }
  }

  private func endConversation() {
    if conversation >= 0 { close(conversation) }
    conversation = -1
  }

  private func start() throws(OptionError) {
    endConversation()
    claimed = []
    page.crash.pointee = martlet_crash()
    var ours: Int32 = -1
    var theirs: Int32 = -1
    let made = martlet_pair(&ours, &theirs)
    guard made >= 0 else { throw OptionError("--supervise: \(String(cString: strerror(Int32(-made))))") }
    conversation = ours
    var environment = SupervisorClient.environmentWithoutOwn()
    environment.append("\(SupervisorClient.variable)=\(theirs),\(page.descriptor),\(getpid())")
    child = Self.withCStrings(CommandLine.arguments) { arguments in
      Self.withCStrings(environment) { environment in
        martlet_start_child(arguments, environment, theirs, page.descriptor)
      }
    }
    close(theirs)
    guard child > 0 else {
      throw OptionError("--supervise: cannot start a process: \(String(cString: strerror(Int32(-child))))")
    }
    log.write(.info, .main, "supervising process \(child)")
  }

  private static func withCStrings<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers = texts.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return body(&pointers)
  }

  // MARK: Signals

  /// Nil: it goes on; otherwise the exit code.
  private func takeSignals() -> Int32? {
    while true {
      let number = martlet_next_signal(signals)
      switch number {
      case 0: return nil
      case SIGCHLD:
        if let code = childEnded() { return code }
      case SIGTERM, SIGINT:
        isStopping = true
        if child == 0 { return 0 }
        kill(pid_t(child), number)
      default:
        if number == SIGUSR1 { log.reopen() }
        if child > 0 { kill(pid_t(child), number) }
      }
    }
  }

  /// Nil: it has not, or is started again.
  private func childEnded() -> Int32? {
    var code: Int32 = 0
    var signal: Int32 = 0
    var dumped: Int32 = 0
    guard child > 0, martlet_reap(child, &code, &signal, &dumped) > 0 else { return nil }
    let process = child
    child = 0
    endConversation()
    if code >= 0 { return code }
    let death = "process \(process) died by signal \(signal)\(dumped != 0 ? ", core dumped" : "")"
    if isStopping {
      log.write(.error, .main, "\(death) while it was ending")
      return 128 + signal
    }
    let now = ContinuousClock.now
    let blamed = note(at: now)
    let window = "\(RestartPolicy.window.components.seconds) s"
    switch policy.crashed(at: now) {
    case .restart(let delay):
      restartAt = now + delay
      log.write(
        .critical, .main,
        "\(death)\(blamed); crash \(policy.count) within \(window), "
          + "starting again in \(Int(delay / .milliseconds(1))) ms")
      return nil
    case .giveUp(let count):
      log.write(
        .critical, .main,
        "\(death)\(blamed); giving up after \(count) crashes within \(window)"
      )
      return 128 + signal
    }
  }

  /// Remembers who is to blame. For the log.
  private func note(at now: ContinuousClock.Instant) -> String {
    var crash = page.crash.pointee
    guard crash.is_blamed != 0 else { return "" }
    func text<Value>(_ field: inout Value) -> String {
      withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    let line = CrashLine(
      hash: text(&crash.hash), plugin: text(&crash.plugin), version: text(&crash.version),
      filter: text(&crash.filter), function: text(&crash.hook), milliseconds: 0)
    crashes.append((line, now))
    if crashes.count > Self.memory { crashes.removeFirst() }
    let subject = text(&crash.subject)
    let filter = line.filter.isEmpty ? "" : "filter \(line.filter), "
    return " in plugin \(line.plugin) \(line.version) (\(line.hash.prefix(12))), \(filter)\(line.function)"
      + (subject.isEmpty ? "" : ", \(subject)")
  }

  // MARK: The conversation

  private func answer() {
    var buffer = [UInt8](repeating: 0, count: SupervisorRequest.longestKey + 1)
    var passed: Int32 = -1
    let count = Int(martlet_receive_message(conversation, &buffer, buffer.count, &passed))
    guard count > 0, let request = SupervisorRequest(buffer[..<count]) else {
      if passed >= 0 { close(passed) }
      if count == 0 { endConversation() } else { reply([UInt8(ascii: "?")]) }
      return
    }
    switch request {
    case .take(let key):
      if passed >= 0 { close(passed) }
      claimed.insert(key)
      reply([UInt8(ascii: kept[key] == nil ? "-" : "+")], kept[key] ?? -1)
    case .keep(let key):
      if passed >= 0 {
        if let old = kept[key] { close(old) }
        kept[key] = passed
        claimed.insert(key)
      }
      reply([UInt8(ascii: "+")])
    case .drop(let key):
      if let old = kept.removeValue(forKey: key) { close(old) }
      reply([UInt8(ascii: "+")])
    case .settle:
      for (key, old) in kept where key.hasPrefix(SupervisorClient.socketPrefix) && !claimed.contains(key) {
        close(old)
        kept[key] = nil
      }
      reply([UInt8(ascii: "+")])
    case .crashes:
      let lines = crashes.map { crash in
        var line = crash.line
        line.milliseconds = Int64(crash.at.duration(to: .now) / .milliseconds(1))
        return line.text
      }
      reply(Array((["\(restarts)"] + lines).joined(separator: "\n").utf8))
    }
  }

  private func reply(_ bytes: [UInt8], _ descriptor: Int32 = -1) {
    if martlet_send_message(conversation, bytes, bytes.count, descriptor) < 0 { endConversation() }
  }
}
