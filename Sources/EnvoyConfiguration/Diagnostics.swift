// Collects the findings of one load, so that all of them come at once.

/// The findings so far. A class: every step of a load adds to the same one.
final class Diagnostics {
  private(set) var all: [Diagnostic] = []
  private(set) var hasErrors = false
  /// The names of the files, in the order of `SourcePosition.file`.
  var files: [String] = []
  /// More findings than a person reads; a hostile file may not cost unbounded memory.
  private static let limit = 1000

  /// Nothing more is kept, so nothing dear needs to be found out.
  var isFull: Bool { all.count >= Self.limit }

  func error(_ message: String, at place: Place) {
    place.markBroken()
    add(.error, message, place.position, place.path.text)
  }

  func warning(_ message: String, at place: Place) {
    add(.warning, message, place.position, place.path.text)
  }

  /// A finding that concerns a file as a whole or a line of it.
  func error(_ message: String, file: Int, line: Int?) {
    hasErrors = true
    all.append(
      Diagnostic(severity: .error, file: files[file], line: line, path: "", message: message))
  }

  private func add(
    _ severity: Diagnostic.Severity, _ message: String, _ position: SourcePosition, _ path: String
  ) {
    if severity == .error { hasErrors = true }
    guard all.count < Self.limit else {
      if all.count == Self.limit {
        all.append(
          Diagnostic(
            severity: .warning, file: files[position.file], line: nil, path: "",
            message: "more than \(Self.limit) findings; the rest is left out"))
      }
      return
    }
    all.append(
      Diagnostic(
        severity: severity, file: files[position.file], line: position.line, path: path,
        message: message))
  }

  /// Errors first, in the order of files and lines; then the warnings.
  var sorted: [Diagnostic] {
    let order = Dictionary(
      files.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    func key(_ item: (offset: Int, element: Diagnostic)) -> (Int, Int, Int, Int) {
      (
        item.element.severity == .error ? 0 : 1, order[item.element.file] ?? 0,
        item.element.line ?? 0, item.offset
      )
    }
    return all.enumerated().sorted { key($0) < key($1) }.map(\.element)
  }

  var warnings: [Diagnostic] { sorted.filter { $0.severity == .warning } }
}
