// Tests with traffic under the checking wrappers: messages of all kinds in random pieces, interruptions after
// each hook, and the same message in other pieces.
import CMartletABI
import CPluginTools
import Glibc
import Model

extension CheckChild {
  // MARK: traffic

  mutating func traffic() throws(ToolProblem) {
    let rig = try rig()
    let before = Self.processState()
    var streams = 0
    for _ in 0..<3 where elapsed < Self.budget {
      if rig.subject.kind == .http {
        for exchange in Exchange.all(words: rig.words, &random) where elapsed < Self.budget {
          _ = rig.play(exchange, seed: random.next() % 1_000_000_000, draws: random.next())
          streams += 1
        }
      } else {
        for (name, bytes) in Self.conversations(rig.words, &random) where elapsed < Self.budget {
          let end = Rig.End.allCases[random.below(3)]
          _ = rig.play(bytes, name: name, seed: random.next() % 1_000_000_000, draws: random.next(), end: end)
          streams += 1
        }
      }
    }
    if rig.subject.kind == .http { streams += checkLabels(rig) }
    // Timers that were set for a moment later, and threads that come back.
    usleep(50_000)
    rig.hangUp()
    if martlet_tools_live() > 0 {
      broken("A21", "\(martlet_tools_live()) streams of the filter still stand after their clients have gone")
    }
    compareState(before, Self.processState(), "after \(streams) streams")
    rig.stop()
    rig.host.plugins.stop()
    // What goes on after `close` has returned shows itself.
    usleep(100_000)
    martlet_tools_finish()
    evidence("A21", "\(streams) streams")
    evidence("H2", "\(streams) streams")
  }

  /// A14: label values that clients choose. Each stream has a path, a host and a header of its own.
  private mutating func checkLabels(_ rig: Rig) -> Int {
    let before = martlet_tools_series()
    if before == 0 {
      none("A14", "no label was used")
      return 0
    }
    let count = 60
    for index in 0..<count where elapsed < 2 * Self.budget {
      let word = "w\(index)x\(random.next() % 1_000_000)"
      var request = Message("GET /\(word) HTTP/1.1", [("host", "\(word).example"), ("user-agent", word)])
      for name in rig.words.prefix(4) where name.utf8.allSatisfy(\.isTokenByte) && !name.isEmpty {
        request.headers.append((name.lowercased(), Array(word.utf8)))
      }
      let answer = Message("HTTP/1.1 200 OK").with([], .length)
      _ = rig.play(Exchange(name: "labels", request: request, response: answer), seed: nil, draws: 1)
    }
    let made = martlet_tools_series() - before
    if made >= UInt64(count / 2) {
      broken(
        "A14",
        "\(count) requests of \(count) clients made \(made) members of families: clients choose the labels")
    } else {
      evidence("A14", "\(made) members for \(count) clients")
    }
    return count
  }

  /// What is said to network filters.
  static func conversations(_ words: [String], _ random: inout SeededRandom) -> [(String, [UInt8])] {
    var noise: [UInt8] = []
    for _ in 0..<500 { noise.append(UInt8(truncatingIfNeeded: random.next())) }
    var list: [(String, [UInt8])] = [
      ("no bytes", []), ("one byte", [0x50]), ("a line", Array("PING hello\r\n".utf8)), ("noise", noise),
      ("a request", Array("GET / HTTP/1.1\r\nhost: check.example\r\n\r\n".utf8)),
      ("many bytes", Array(repeating: UInt8(ascii: "z"), count: 70_000)),
    ]
    for word in words.prefix(4) {
      list.append(("a word of the configuration", Array((word + " and more\r\n").utf8)))
      list.append(("part of a word", Array(word.utf8.dropLast())))
    }
    return list
  }

  // MARK: interruptions

  mutating func interruptions() throws(ToolProblem) {
    let rig = try rig()
    var acts = 0
    for hook in 0..<martlet_tools_hook_count() where martlet_tools_has_hook(hook) {
      let name = String(cString: martlet_tools_hook_name(hook))
      guard name.hasPrefix("on_"), !["on_complete", "on_close"].contains(name), !name.contains("config"),
        !name.contains("worker")
      else { continue }
      for act in [MARTLET_TOOLS_REPLY, MARTLET_TOOLS_RESET] where elapsed < Self.budget {
        martlet_tools_inject(hook, act)
        playOne(rig, full: true, patience: 400)
        acts += Int(martlet_tools_injected())
        martlet_tools_inject(0, MARTLET_TOOLS_NOTHING)
      }
    }
    if rig.subject.kind == .http {
      for after in [1, 2, 3, 100, nil] {
        for exchange in Exchange.all(words: rig.words, &random)
        where elapsed < 2 * Self.budget && (exchange.isFull || exchange.name == "GET") {
          rig.abandon(exchange, after: after, seed: random.next() % 1_000_000_000)
          acts += 1
        }
      }
    }
    usleep(20_000)
    rig.stop()
    rig.host.plugins.stop()
    evidence("H10", "\(acts) streams cut off")
  }

  private mutating func playOne(_ rig: Rig, full: Bool, patience: Int) {
    if rig.subject.kind == .http {
      for exchange in Exchange.all(words: rig.words, &random) where exchange.isFull {
        _ = rig.play(exchange, seed: random.next() % 1_000_000_000, draws: random.next(), patience: patience)
      }
      return
    }
    for (name, bytes) in Self.conversations(rig.words, &random).suffix(3) {
      _ = rig.play(bytes, name: name, seed: random.next() % 1_000_000_000, draws: 1, end: .halfClose)
    }
  }

  // MARK: pieces

  /// A20. What differs between two that came in the same way follows from something else: a clock, a share.
  mutating func pieces() throws(ToolProblem) {
    let rig = try rig()
    var compared = 0
    if rig.subject.kind == .http {
      let all = Exchange.all(words: rig.words, &random).filter {
        ($0.request.body.count > 1 || $0.response.body.count > 1) && $0.request.body.count < 10_000
          && !$0.breaks
      }
      for exchange in all {
        compared += compare(exchange.name) { rig.play(exchange, seed: $0, draws: 99) }
      }
    } else {
      for (name, bytes) in Self.conversations(rig.words, &random) where bytes.count > 1 {
        compared += compare(name) { rig.play(bytes, name: name, seed: $0, draws: 99, end: .halfClose) }
      }
    }
    rig.stop()
    rig.host.plugins.stop()
    evidence("A20", "\(compared) messages in pieces against whole ones")
  }

  private mutating func compare(_ name: String, _ play: (UInt64?) -> Outcome) -> Int {
    guard elapsed < Self.budget else { return 0 }
    let whole = play(nil)
    var unstable = play(nil).differences(from: whole)
    var count = 0
    var found: [String: (UInt64, String)] = [:]
    for _ in 0..<5 where elapsed < Self.budget {
      let seed = random.next() % 1_000_000_000
      let cut = play(seed)
      count += 1
      for aspect in cut.differences(from: whole) where !unstable.contains(aspect) && found[aspect] == nil {
        found[aspect] = (seed, whole.describe(aspect, against: cut))
      }
    }
    guard !found.isEmpty else { return count }
    // Is it the pieces? Once more whole, then once more in the same pieces.
    unstable.formUnion(play(nil).differences(from: whole))
    for (aspect, (seed, text)) in found.sorted(by: { $0.key < $1.key }) where !unstable.contains(aspect) {
      guard play(seed).differences(from: whole).contains(aspect) else { continue }
      broken("A20", "\(name): \(aspect): \(text) (pieces \(seed))")
    }
    return count
  }
}
