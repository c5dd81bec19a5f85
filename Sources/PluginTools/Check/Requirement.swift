// The requirements of Docs/abi.md that `martlet plugin check` looks at, in one line each, and the tests that
// must have come to their end before one of them may be called kept.

/// One test is one process.
enum CheckTest: String, CaseIterable, Sendable {
  /// Opens the plugin, makes a configuration, closes it.
  case load
  /// Opens it once for each table that it has asked for, which the host then lacks.
  case tables
  /// Configurations that it must refuse, and odd ones that it must bear.
  case config
  /// Messages of all kinds in random pieces.
  case traffic
  /// An answer or a reset after each hook, clients that go away.
  case interruptions
  /// The same message in different pieces.
  case pieces
  /// How long hooks take, and what they wait for.
  case time
  /// What is in use after many streams and many configurations.
  case memory
}

struct Requirement: Sendable {
  var id: String
  var text: String
  var tests: [CheckTest]
  /// Why no tool can say; nil: this one can.
  var unchecked: String?

  init(_ id: String, _ text: String, _ tests: [CheckTest], unchecked: String? = nil) {
    self.id = id
    self.text = text
    self.tests = tests
    self.unchecked = unchecked
  }

  static let all: [Requirement] = [
    Requirement("A1", "exports martlet_plugin_v1 and nothing else", [.load]),
    Requirement("A2", "descriptor and tables stay as they were given", [.load, .traffic]),
    Requirement("A3", "tables and structs say their size", [.load, .traffic]),
    Requirement("A4", "refuses to open, or works, without each table it asks for", [.load, .tables]),
    Requirement(
      "A5", "no exception, panic, abort or exit leaves a function",
      [.load, .config, .traffic, .interruptions, .pieces, .time, .memory]),
    Requirement("A6", "no hook blocks its worker", [.time]),
    Requirement("A7", "keeps no borrowed pointer", [.load, .config, .traffic, .interruptions, .pieces]),
    Requirement("A8", "uses a handle on the thread that owns it", [.traffic, .interruptions, .pieces]),
    Requirement(
      "A9", "leaves a configuration alone while workers read it", [],
      unchecked: "run the proxy with two workers under the thread sanitizer"),
    Requirement("A10", "frees what it has made, by the allocator that made it", [.traffic, .memory]),
    Requirement("A11", "no thread of its own goes on after close", [.traffic]),
    Requirement("A12", "refuses configuration that it does not understand", [.config]),
    Requirement("A13", "names in lower case, values as bytes", [.traffic]),
    Requirement("A14", "labels of metrics have few values", [.traffic]),
    Requirement("A15", "names in reverse domain notation", [.load]),
    Requirement("A16", "leaves the process's own state alone", [.load, .traffic]),
    Requirement("A17", "control functions return soon", [.load]),
    Requirement("A18", "uses no handle after its end", [.traffic, .interruptions, .pieces]),
    Requirement("A19", "does nothing more after an answer", [.traffic, .interruptions, .pieces]),
    Requirement("A20", "the same bytes give the same outcome in any pieces", [.pieces]),
    Requirement(
      "A21", "reads and writes its own memory, and what is lent within its size",
      [.load, .config, .traffic, .interruptions, .pieces, .time, .memory]),
    Requirement("H2", "host: each object begins and ends once", [.traffic, .interruptions]),
    Requirement(
      "H3", "host: one hook of an object at a time, on its own thread", [.traffic, .interruptions]),
    Requirement("H10", "host: the last hook comes once, and last", [.traffic, .interruptions]),
  ]
}

/// What is known of one requirement in the end.
struct Verdict: Sendable {
  enum State: String, Sendable {
    case kept = "ok"
    case broken = "FAILED"
    case none = "not applicable"
    case unknown = "not checked"
  }
  var requirement: Requirement
  var state: State
  /// What happened, a line each.
  var lines: [String]
  /// The test that found it.
  var test: CheckTest?
}
