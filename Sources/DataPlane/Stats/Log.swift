// What workers have to say, rarely: a level check, then the control side's sink.

struct Log: Sendable {
  let level: LogLevel
  let sink: LogSink

  @inline(__always)
  func callAsFunction(
    _ level: LogLevel, _ component: StaticString, _ text: @autoclosure () -> String
  ) {
    if level >= self.level { sink(level, component, text()) }
  }
}
