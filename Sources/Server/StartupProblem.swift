// Why a process did not start: whatever the part that failed, lines for standard error.

/// One or more problems; the process ends with 1.
struct StartupProblem: Error, Sendable {
  /// Without line breaks, in the order they are printed. None: it was told to end meanwhile.
  let lines: [String]

  init(_ lines: [String]) { self.lines = lines }
  init(_ error: OptionError) { lines = ["error: \(error.description)"] }
}
