// Why a tool cannot do what was asked, and its exit codes.

/// One line for people; it names the file or the option.
struct ToolProblem: Error {
  let message: String
  init(_ message: String) { self.message = message }
}

/// `check`: 0 all is well, 1 a requirement is broken, 2 it could not be checked. The others: 0 or 1.
enum ExitCode {
  static let success: Int32 = 0
  static let failed: Int32 = 1
  static let unusable: Int32 = 2
}
