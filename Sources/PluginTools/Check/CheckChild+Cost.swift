// Tests of what a filter takes: the worker's time, and memory that does not come back. With as little as
// can be between plugin and host.
import CMartletABI
import CPluginTools
import Glibc
import Model

extension CheckChild {
  // MARK: time

  /// A hook that has waited that long for something else than the processor has blocked, nanoseconds.
  private static let longWait: UInt64 = 20_000_000
  /// Or has worked that long for messages of a few kilobytes.
  private static let longWork: UInt64 = 50_000_000

  mutating func time() throws(ToolProblem) {
    let rig = try rig()
    for _ in 0..<4 where elapsed < Self.budget {
      if rig.subject.kind == .http {
        for exchange in Exchange.all(words: rig.words, &random)
        where elapsed < Self.budget && exchange.request.body.count < 10_000 {
          _ = rig.play(exchange, seed: random.next() % 1_000_000_000, draws: 1)
        }
      } else {
        for (name, bytes) in Self.conversations(rig.words, &random)
        where elapsed < Self.budget && bytes.count < 10_000 {
          _ = rig.play(bytes, name: name, seed: 1, draws: 1, end: .halfClose)
        }
      }
    }
    rig.stop()
    var longest: UInt64 = 0
    for hook in 0..<martlet_tools_hook_count() {
      var figures = martlet_tools_figures()
      guard martlet_tools_hook(hook, &figures), figures.count > 0 else { continue }
      let name = String(cString: figures.name)
      // The control thread may wait.
      if name.contains("config") { continue }
      let often = figures.waited >= 3 && figures.waited * 4 >= figures.count
      longest = max(longest, figures.longest_wait, figures.longest_work)
      if figures.longest_wait >= Self.longWait || often {
        broken(
          "A6",
          "\(name) waited for something else than the processor in \(figures.waited) of "
            + "\(figures.count) calls, at the longest \(Self.milliseconds(figures.longest_wait)) ms")
      } else if figures.longest_work >= Self.longWork {
        broken("A6", "\(name) worked for \(Self.milliseconds(figures.longest_work)) ms at a stretch")
      }
    }
    evidence("A6", "at the longest \(Self.milliseconds(longest)) ms")
    rig.host.plugins.stop()
  }

  private static func milliseconds(_ nanoseconds: UInt64) -> String {
    "\(nanoseconds / 1_000_000).\(nanoseconds / 100_000 % 10)"
  }

  // MARK: memory

  /// The host's own statistics grow by pages for as long as new durations turn up: some hundred bytes a
  /// round, however many streams it has, and fewer with each.
  private static let noise = 1536
  /// Rounds that are looked at, and at most where there is a doubt: what a plugin loses it goes on to lose.
  private static let rounds = (usual: 6, doubtful: 24)
  /// Streams of a round beside those with bodies: they cost little.
  private static let burst = 300

  private struct Held {
    var heap: Int
    var descriptors: Int
    var threads: Int

    static func count(_ folder: String) -> Int {
      guard let directory = opendir(folder) else { return 0 }
      defer { closedir(directory) }
      var count = 0
      while readdir(directory) != nil { count += 1 }
      return count
    }

    static func now() -> Held {
      Held(
        heap: Int(martlet_tools_heap()), descriptors: count("/proc/self/fd"),
        threads: count("/proc/self/task"))
    }
  }

  /// Rounds of the same streams: what is lost in each of them is lost by each of them.
  mutating func memory() throws(ToolProblem) {
    let rig = try rig()
    var held: [Held] = []
    var streams = 0
    let exchanges = Exchange.all(words: rig.words, &random).filter {
      !$0.breaks && $0.request.body.count < 10_000
    }
    let talk = Self.conversations(rig.words, &random).filter { $0.1.count < 10_000 }
    // Of the messages in a round; fewer for filters that wait.
    var repeats = 8
    func round() {
      for _ in 0..<repeats {
        if rig.subject.kind == .http {
          for exchange in exchanges {
            _ = rig.play(exchange, seed: nil, draws: 1)
            streams += 1
          }
        } else {
          for (name, bytes) in talk {
            _ = rig.play(bytes, name: name, seed: nil, draws: 1, end: .halfClose)
            streams += 1
          }
        }
      }
      if rig.subject.kind == .http {
        rig.burst(Self.burst)
        streams += Self.burst
      }
      rig.hangUp()
      // Kept lines are no leak of the plugin's.
      _ = rig.host.takeLog()
    }
    // What is made once, and pools that fill.
    for _ in 0..<2 {
      let start = elapsed
      round()
      // One, two, four or eight: all rounds from here on are the same.
      var expected = (elapsed - start) * Double(Self.rounds.usual)
      while repeats > 1, expected > Self.budget / 2 {
        repeats /= 2
        expected /= 2
      }
    }
    streams = 0
    held.append(.now())
    var each = 1
    while goesOn(held, each: each), elapsed < 1.5 * Self.budget {
      round()
      held.append(.now())
      each = max(1, streams / (held.count - 1))
    }
    judge(held, each: each, what: "stream")
    try configurationMemory(rig)
    rig.stop()
    rig.host.plugins.stop()
  }

  /// What each round has left behind at least.
  private func least(_ held: [Held], _ path: KeyPath<Held, Int>) -> Int {
    zip(held, held.dropFirst()).map { $1[keyPath: path] - $0[keyPath: path] }.min() ?? 0
  }

  /// The smallest object takes 32 bytes of the heap: one that is lost with every eighth stream is seen.
  private func isMuch(_ bytes: Int, each: Int) -> Bool { bytes >= max(Self.noise, 4 * each) }

  private func goesOn(_ held: [Held], each: Int) -> Bool {
    let rounds = held.count - 1
    if rounds < Self.rounds.usual { return true }
    return rounds < Self.rounds.doubtful && isMuch(least(held, \.heap), each: each)
  }

  private func judge(_ held: [Held], each: Int, what: String) {
    guard held.count > 3 else { return none("A10", "too slow: \(held.count) rounds") }
    func least(_ path: KeyPath<Held, Int>) -> Int { self.least(held, path) }
    let bytes = least(\.heap)
    if isMuch(bytes, each: each) {
      broken(
        "A10", "each \(what) leaves about \(bytes / each) bytes behind (\(bytes) bytes a round of \(each))")
    }
    if least(\.descriptors) > 0 {
      broken("A10", "\(least(\.descriptors)) descriptors stay open after \(each) of a \(what)")
    }
    if least(\.threads) > 0 { broken("A10", "\(least(\.threads)) threads stay after \(each) of a \(what)") }
    evidence("A10", "\(each * (held.count - 1)) of a \(what), at least \(bytes) bytes a round")
  }

  /// The same for configurations: a proxy that is reloaded for a year.
  private func configurationMemory(_ rig: Rig) throws(ToolProblem) {
    guard let request = rig.catalog.request else { return }
    var another = request
    // Not the one that serves: that would be handed out again.
    another.name += ".again"
    var held: [Held] = []
    let each = 40
    func round() {
      for _ in 0..<each {
        _ = rig.host.set.make(another, operators: rig.catalog.operators)
        // Its end is posted to the control thread; the next one waits for it there.
        _ = rig.host.plugins.report()
      }
    }
    round()
    held.append(.now())
    while goesOn(held, each: each) {
      round()
      held.append(.now())
    }
    judge(held, each: each, what: "configuration")
  }
}
