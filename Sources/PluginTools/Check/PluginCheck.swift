// `martlet plugin check`: runs the tests, each in a process of its own, and says of each requirement whether
// it is kept, what happened, and how to see it again.
import CMartletABI
import Glibc
import Model
import PluginHost

public enum PluginCheck {
  /// Checks the plugin and prints what was found. Returns 0, 1 (a requirement is broken) or 2 (it could not
  /// be checked).
  public static func run(_ options: CheckOptions) -> Int32 {
    var check = Run(options: options)
    do {
      try check.perform()
    } catch {
      Output.error(error.message)
      return ExitCode.unusable
    }
    Output.write(options.json ? check.json.text() + "\n" : check.text)
    return check.verdicts.contains { $0.state == .broken } ? ExitCode.failed : ExitCode.success
  }

  /// One test, in this process.
  public static func runChild(
    _ options: CheckOptions, test: String, report: Int32, denied: String
  ) -> Int32 {
    guard let test = CheckTest(rawValue: test), report > 2 else { return ExitCode.unusable }
    var options = options
    options.report = report
    options.denied = denied
    var child = CheckChild(options, test)
    let code = child.run()
    // At once: threads of the plugin's may still run, and would do so while the process is taken apart.
    _exit(code)
  }
}

private struct Run {
  var options: CheckOptions
  private var subject: (id: String, version: String, filter: String, kind: FilterKind)?
  private var finished: [CheckProcess] = []
  /// Tests that were not made because an earlier one says enough.
  private var skipped: [CheckTest: String] = [:]
  private(set) var verdicts: [Verdict] = []
  private let began = ContinuousClock.now
  private var took = Duration.zero

  init(options: CheckOptions) { self.options = options }

  // MARK: Running

  mutating func perform() throws(ToolProblem) {
    try identify()
    if let only = CheckTest(rawValue: options.test) {
      // The tables that it asks for are known from `load` alone.
      if only == .tables { _ = try start([(.load, "")]) }
      _ = try start(only == .tables ? denials : [(only, "")])
    } else {
      try performAll()
    }
    if let refused = finished.lazy.flatMap(\.lines).first(where: { $0.kind == "U" }) {
      throw ToolProblem(refused.text + (options.configuration.isEmpty ? "\n  (--config gives it one)" : ""))
    }
    judge()
    took = began.duration(to: .now)
  }

  private mutating func performAll() throws(ToolProblem) {
    guard try start([(.load, "")]) else { return skip(CheckTest.allCases, after: .load) }
    _ = try start([(.config, ""), (.traffic, "")])
    guard finished.contains(where: { $0.test == .traffic && $0.isDone }) else {
      return skip([.tables, .interruptions, .pieces, .time, .memory], after: .traffic)
    }
    // A plugin that ends the process now, and did not before, does so for want of the table.
    _ = try start([(.pieces, ""), (.interruptions, ""), (.memory, "")] + denials)
    // Alone, since it looks at the clock; and again where it finds something, since others do too.
    _ = try start([(.time, "")])
    if finished.last.map(Self.hasFindings) == true {
      let first = finished.removeLast()
      _ = try start([(.time, "")])
      if let again = finished.last, !Self.hasFindings(again) { return }
      finished[finished.count - 1] = first
    }
  }

  private static func hasFindings(_ process: CheckProcess) -> Bool {
    process.hasVanished || process.lines.contains { $0.kind == "V" || $0.kind == "C" }
  }

  private mutating func skip(_ tests: [CheckTest], after: CheckTest) {
    for test in tests where test != after {
      skipped[test] = "not after what the test `\(after.rawValue)` has found"
    }
  }

  /// The tables that the plugin has asked for.
  private var denials: [(CheckTest, String)] {
    let asked = finished.first { $0.test == .load }?.lines.filter { $0.kind == "Q" }.map(\.text) ?? []
    return Set(asked).sorted().map { (.tables, $0) }
  }

  /// Runs them beside each other. False: one has not come to its end.
  private mutating func start(_ tests: [(CheckTest, String)]) throws(ToolProblem) -> Bool {
    var waiting = tests[...]
    var running: [CheckProcess] = []
    var isWhole = true
    while !waiting.isEmpty || !running.isEmpty {
      while running.count < 3, let next = waiting.popFirst() {
        running.append(try CheckProcess(options, next.0, denied: next.1, seed: options.seed))
      }
      var left: [CheckProcess] = []
      for process in running {
        if process.poll(milliseconds: 5) {
          finished.append(process)
          isWhole = isWhole && process.isDone
        } else {
          left.append(process)
        }
      }
      running = left
    }
    return isWhole
  }

  /// Which filter it is; what is no plugin ends here. In a process of its own as well: it may crash.
  private mutating func identify() throws(ToolProblem) {
    var asking = options
    asking.filter = options.filter
    let process = try CheckProcess(asking, .load, denied: "?", seed: options.seed)
    while !process.poll(milliseconds: 50) {}
    guard let line = process.lines.first(where: { $0.kind == "F" }) else {
      let refused = process.lines.first { $0.kind == "U" }?.text
      if refused == nil, !process.lines.isEmpty || process.hasVanished {
        // It ends the process when it is loaded: the test says how.
        return
      }
      throw ToolProblem(refused ?? "plugin '\(options.path)': not loaded (\(process.endedBy))")
    }
    let parts = line.text.split(separator: "\u{1f}", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 4 else { throw ToolProblem("plugin '\(options.path)': not loaded") }
    subject = (parts[0], parts[1], parts[2], line.requirement == "http" ? .http : .network)
    options.filter = parts[2]
  }

  // MARK: Judging

  private mutating func judge() {
    for requirement in Requirement.all { verdicts.append(verdict(requirement)) }
  }

  /// What a child's finding is to the author: a crash without one of the tables is a question of A4.
  private func place(_ line: CheckLine, _ process: CheckProcess) -> (String, String) {
    if process.test == .tables {
      return ("A4", "without \(process.denied): \(line.text)")
    }
    // The host's own crash follows from memory that was written over, as far as can be told.
    return (line.requirement == "HOST" ? "A21" : line.requirement, line.text)
  }

  private func verdict(_ requirement: Requirement) -> Verdict {
    var verdict = Verdict(requirement: requirement, state: .kept, lines: [])
    if let why = requirement.unchecked {
      verdict.state = .unknown
      verdict.lines = [why]
      return verdict
    }
    var evidence: [String] = []
    var none: [String] = []
    for process in finished {
      for line in process.lines where line.kind == "C" || (line.kind == "V" && process.test != .tables) {
        let (id, text) = place(line, process)
        guard id == requirement.id else { continue }
        if verdict.test == nil { verdict.test = process.test }
        if !verdict.lines.contains(text) { verdict.lines.append(text) }
        if line.kind == "C" { verdict.lines += process.lastWords.map { "it said: \($0)" } }
      }
      if process.hasVanished, requirement.id == (process.test == .tables ? "A4" : "A5") {
        if verdict.test == nil { verdict.test = process.test }
        verdict.lines.append(
          "the process was ended in the test `\(process.test.rawValue)` (\(process.endedBy))")
        verdict.lines += process.lastWords.map { "it said: \($0)" }
      }
      if process.isLate, requirement.tests.contains(process.test) {
        none.append(
          "the test `\(process.test.rawValue)` did not end in \(CheckProcess.limit.components.seconds) s")
      }
      for line in process.lines where line.requirement == requirement.id {
        if line.kind == "E", !evidence.contains(line.text) { evidence.append(line.text) }
        if line.kind == "N" { none.append(line.text) }
      }
    }
    if !verdict.lines.isEmpty {
      verdict.state = .broken
      return verdict
    }
    let missing = requirement.tests.filter { test in !finished.contains { $0.test == test && $0.isDone } }
    if requirement.id == "A4", missing == [.tables],
      finished.contains(where: { $0.test == .load && $0.isDone }),
      denials.isEmpty
    {
      verdict.state = .none
      verdict.lines = ["it asks for no table"]
    } else if let test = missing.first {
      verdict.state = .unknown
      verdict.lines = [
        skipped[test] ?? none.first ?? "the test `\(test.rawValue)` was not made or has not ended"
      ]
    } else if let why = none.first {
      verdict.state = .none
      verdict.lines = [why]
    } else {
      verdict.lines = evidence
    }
    return verdict
  }

  // MARK: Telling

  private var seconds: String {
    let tenths = Int(took / .milliseconds(100))
    return "\(tenths / 10).\(tenths % 10)"
  }

  var text: String {
    var out = ""
    if let subject {
      let kind = subject.kind == .http ? "HTTP" : "network"
      out += "\(subject.id) \(subject.version), \(kind) filter \(subject.filter)\n"
    }
    for verdict in verdicts {
      let id = verdict.requirement.id.padded(4)
      out += "\(id)\(verdict.state.rawValue.padded(16))\(verdict.requirement.text)\n"
      switch verdict.state {
      case .broken:
        for line in verdict.lines.prefix(6) { out += "      \(line)\n" }
        if verdict.lines.count > 6 { out += "      and \(verdict.lines.count - 6) more\n" }
        if let test = verdict.test { out += "      again: \(options.command(test))\n" }
      case .none, .unknown: out += "      \(verdict.lines.first ?? "")\n"
      case .kept: break
      }
    }
    let broken = verdicts.filter { $0.state == .broken }.map(\.requirement.id)
    let nothing = options.test.isEmpty ? "all kept" : "nothing broken in the test `\(options.test)`"
    out += broken.isEmpty ? nothing : "broken: \(broken.joined(separator: ", "))"
    return out + " (seed \(options.seed), \(seconds) s)\n"
  }

  var json: JSONValue {
    .members([
      "path": .string(options.path), "id": subject.map { .string($0.id) } ?? .null,
      "version": subject.map { .string($0.version) } ?? .null,
      "filter": subject.map { .string($0.filter) } ?? .null, "seed": .number(options.seed),
      "passed": .boolean(!verdicts.contains { $0.state == .broken }),
      "requirements": .array(
        verdicts.map { verdict in
          .members([
            "id": .string(verdict.requirement.id), "text": .string(verdict.requirement.text),
            "state": .string(verdict.state.rawValue), "what": .strings(verdict.lines),
            "reproduce": verdict.test.map { .string(options.command($0)) } ?? .null,
          ])
        }),
    ])
  }
}

extension String {
  /// With blanks behind it, at least one.
  func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
