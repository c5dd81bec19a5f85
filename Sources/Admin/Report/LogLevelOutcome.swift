// What became of a wish for another log level.

public enum LogLevelOutcome: Sendable { case done, unknownComponent, unknownLevel }
