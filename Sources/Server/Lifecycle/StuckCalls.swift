// Calls into plugins that do not end: told once when they have lasted too long, and once when they are over.
import CMartletBlame

/// Which calls do not end.
struct StuckCalls {
  private struct Entry {
    var call: UInt
    var count: UInt64
    var since: ContinuousClock.Instant
    /// What the log was told.
    var name: String?
  }
  /// By the thread.
  private var entries: [UInt64: Entry] = [:]

  /// - Returns: Lines for the log: one when a call has lasted too long, one when it has ended.
  mutating func look(at seen: [martlet_observation], now: ContinuousClock.Instant) -> [String] {
    var lines: [String] = []
    var next: [UInt64: Entry] = [:]
    for one in seen {
      let call = UInt(bitPattern: one.call)
      var entry = Entry(call: call, count: one.count, since: now)
      if let known = entries[one.serial], known.call == call, known.count == one.count { entry = known }
      let lasted = entry.since.duration(to: now)
      let tally = PluginTally(one.tally)
      if entry.name == nil, tally.hasPlugin, lasted >= .nanoseconds(Int64(clamping: tally.stuckAfter)) {
        let name = "\(Self.threadName(one)) in \(tally.name(of: one.hook))"
        entry.name = name
        let subject = Self.subject(of: one)
        lines.append("stuck for \(Self.text(lasted)): \(name)\(subject.isEmpty ? "" : ", \(subject)")")
      }
      next[one.serial] = entry
    }
    for (serial, old) in entries.sorted(by: { $0.key < $1.key }) {
      guard let name = old.name, next[serial]?.name == nil else { continue }
      lines.append("no longer stuck after \(Self.text(old.since.duration(to: now))): \(name)")
    }
    entries = next
    return lines
  }

  static func text(_ duration: Duration) -> String { "\(Int(duration / .milliseconds(1))) ms" }

  private static func threadName(_ one: martlet_observation) -> String {
    let name = withUnsafeBytes(of: one.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    return "thread \(name) (\(one.thread))"
  }

  private static func subject(of one: martlet_observation) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
      var one = one
      guard martlet_slot_describe(&one, buffer.baseAddress, buffer.count) else { return "" }
      return String(cString: buffer.baseAddress.unsafelyUnwrapped)
    }
  }
}
