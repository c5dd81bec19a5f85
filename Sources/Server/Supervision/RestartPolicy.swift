// When a process that has died is started again: at once where that is rare, ever later where it is not,
// and not any more where it does nothing else. Pure: whoever asks says what time it is.

struct RestartPolicy {
  enum Decision: Equatable {
    case restart(after: Duration)
    /// It has crashed so often within the window.
    case giveUp(crashes: Int)
  }

  /// Crashes that count.
  static let window = Duration.seconds(60)
  /// More within the window, and it is given up.
  static let limit = 10
  static let firstDelay = Duration.milliseconds(100)
  static let longestDelay = Duration.seconds(10)

  private var crashes: [ContinuousClock.Instant] = []

  /// How many count now.
  var count: Int { crashes.count }

  mutating func crashed(at now: ContinuousClock.Instant) -> Decision {
    crashes.append(now)
    crashes.removeAll { $0.duration(to: now) > Self.window }
    if crashes.count > Self.limit { return .giveUp(crashes: crashes.count) }
    if crashes.count == 1 { return .restart(after: .zero) }
    var delay = Self.firstDelay
    for _ in 2..<crashes.count where delay < Self.longestDelay { delay *= 2 }
    return .restart(after: min(delay, Self.longestDelay))
  }
}
