// What workers have to say, rarely: a level check, then the control side's sink.
import Synchronization

struct Log: Sendable {
  let threshold: LogThreshold
  let sink: LogSink

  @inline(__always)
  func callAsFunction(
    _ level: LogLevel, _ component: StaticString, _ text: @autoclosure () -> String
  ) {
    if level.rawValue >= threshold.value { sink(level, component, text()) }
  }
}

/// The least severe level that the sink wants; it may be changed while traffic flows.
final class LogThreshold: Sendable {
  private let level: Atomic<Int>

  init(_ level: LogLevel) { self.level = Atomic(level.rawValue) }

  @inline(__always) var value: Int { level.load(ordering: .relaxed) }

  func set(_ level: LogLevel) { self.level.store(level.rawValue, ordering: .relaxed) }
}
