// One test in a process of its own. What it finds goes to a descriptor as lines, at once: the plugin may end
// the process at any moment, and what is said then says where.
//
//     V, C <requirement> <text>   see plugin_tools.h
//     N <requirement> <text>      not applicable, and why
//     E <requirement> <text>      what was seen of a requirement that is kept
//     F <kind> <id, version, filter, hash>   what it is
//     U <text>                    the test cannot be made: the plugin or its configuration is refused
//     D                           the test has come to its end
import CMartletABI
import CPluginTools
import DataPlane
import Glibc
import Model
import PluginHost

struct CheckChild {
  let options: CheckOptions
  let test: CheckTest
  var random: SeededRandom
  let began = ContinuousClock.now

  init(_ options: CheckOptions, _ test: CheckTest) {
    self.options = options
    self.test = test
    random = SeededRandom(seed: options.seed)
  }

  func say(_ line: String) {
    martlet_tools_say(String(line.map { $0 == "\n" || $0 == "\r" ? " " : $0 }))
  }
  func broken(_ requirement: String, _ text: String) { say("V \(requirement) \(text)") }
  func evidence(_ requirement: String, _ text: String) { say("E \(requirement) \(text)") }
  func none(_ requirement: String, _ text: String) { say("N \(requirement) \(text)") }

  /// Seconds that this test has run.
  var elapsed: Double { began.duration(to: .now) / .seconds(1) }

  /// How long a test goes on to draw new messages, seconds. Filters that wait make each of them slow; for
  /// the others it is many times what they take, so that a seed gives the same messages on a busy machine.
  static let budget = 20.0
  /// A hook or a control function that has not returned by then never will.
  static let patience: UInt32 = 15

  mutating func run() -> Int32 {
    var start = martlet_tools_options()
    start.mode =
      switch test {
      case .time: MARTLET_TOOLS_WAITS
      case .memory: MARTLET_TOOLS_HOOKS
      default: MARTLET_TOOLS_GUARD
      }
    start.report = options.report
    start.seed = test == .memory || test == .time ? 0 : options.seed
    options.filter.withCString { filter in
      options.denied.withCString { denied in
        start.filter = filter
        start.denied = denied.pointee == 0 ? nil : denied
        martlet_tools_start(&start)
      }
    }
    martlet_tools_watch(Self.patience)
    do {
      try runTest()
      say("D")
      return ExitCode.success
    } catch {
      say("U \(error.message)")
      return ExitCode.unusable
    }
  }

  private mutating func runTest() throws(ToolProblem) {
    switch test {
    case .load: try load()
    case .tables: try tables()
    case .config: try configurations()
    case .traffic: try traffic()
    case .interruptions: try interruptions()
    case .pieces: try pieces()
    case .time: try time()
    case .memory: try memory()
    }
  }

  /// The plugin, opened, and its filter.
  func open(_ host: ToolHost) throws(ToolProblem) -> (PluginReport, Subject) {
    loading(true)
    let report = try host.load(options.path)
    loading(false)
    guard let filter = report.filters.first(where: { $0.name == options.filter }) else {
      throw ToolProblem("\(report.version.id) has no filter '\(options.filter)'")
    }
    return (report, Subject(filter, configuration: options.configuration))
  }

  private func loading(_ begins: Bool) {
    let text: StaticString = "while the library was loaded"
    martlet_tools_place(begins ? UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self) : nil)
  }

  func rig() throws(ToolProblem) -> Rig {
    let host = ToolHost(isInstrumented: true)
    let (_, subject) = try open(host)
    return try Rig(host: host, subject: subject)
  }

  /// Signal actions, directory and the rest, a line each.
  static func processState() -> [String] {
    var buffer = [CChar](repeating: 0, count: 1 << 18)
    let size = min(martlet_tools_process_state(&buffer, buffer.count), buffer.count)
    return String(decoding: buffer[..<size].map { UInt8(bitPattern: $0) }, as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  func compareState(_ before: [String], _ after: [String], _ when: String) {
    let old = Set(before)
    for line in after where !old.contains(line) {
      let name = line.prefix { $0 != "=" }
      broken("A16", "\(when): the process's \(name) is another than before")
    }
    let new = Set(after.map { $0.prefix { $0 != "=" } })
    for line in before where !new.contains(line.prefix(while: { $0 != "=" })) {
      broken("A16", "\(when): the process's \(line.prefix { $0 != "=" }) is gone")
    }
  }
}
