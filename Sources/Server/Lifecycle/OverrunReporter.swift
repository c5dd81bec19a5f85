// Calls into plugins that took longer than they may: counted by the calls themselves, told to the log here.

/// Which functions were over their budgets: a line for each, at most once in ten seconds.
struct OverrunReporter {
  private struct Key: Hashable {
    var tally: UInt
    var hook: UInt32
  }
  private struct Entry {
    var reported: UInt64
    var at: ContinuousClock.Instant
  }
  private var entries: [Key: Entry] = [:]
  static let interval = Duration.seconds(10)

  mutating func look(at tally: PluginTally, now: ContinuousClock.Instant) -> [String] {
    guard tally.hasPlugin else { return [] }
    var lines: [String] = []
    for hook in PluginTally.hooks {
      let over = tally.over(hook)
      if over == 0 { continue }
      let key = Key(tally: tally.address, hook: hook)
      let known = entries[key]
      let fresh = over &- (known?.reported ?? 0)
      guard fresh > 0, known.map({ $0.at.duration(to: now) >= Self.interval }) ?? true else { continue }
      entries[key] = Entry(reported: over, at: now)
      lines.append(
        "\(tally.name(of: hook)): \(fresh) \(fresh == 1 ? "call was" : "calls were") over the budget of "
          + "\(Self.text(tally.budget)), the longest yet took \(Self.text(tally.longest(hook)))")
    }
    return lines
  }

  private static func text(_ nanoseconds: UInt64) -> String {
    let microseconds = nanoseconds / 1000
    let rest = microseconds % 1000
    if rest == 0 { return "\(microseconds / 1000) ms" }
    return "\(microseconds / 1000).\(String(1000 + rest).dropFirst()) ms"
  }
}
