// What came of an exchange, as far as a filter can have a hand in it: the answer, the request as the
// upstream saw it, and what the filter left behind. Split into aspects by name, to be compared.

struct Outcome: Sendable {
  /// By what it is.
  private(set) var aspects: [String: String] = [:]

  /// Not the filter's, or of the moment.
  private static let passing: Set<String> = [
    "date", "connection", "x-request-id", "keep-alive", "content-length", "transfer-encoding",
  ]

  /// Of HTTP. `answer` nil: there was none.
  init(answer: ReadMessage?, request: ReadMessage?, left: String) {
    aspects["the answer's status"] = answer.map { "\($0.status)" } ?? "no answer"
    if let answer {
      aspects["whether the answer is whole"] = answer.isWhole ? "yes" : "no"
      aspects["the answer's body"] = Self.text(answer.body)
      add(answer.headers, "header", "of the answer")
      add(answer.trailers, "trailer", "of the answer")
    }
    aspects["the request at the upstream"] = request?.start ?? "none"
    if let request {
      aspects["the request's body at the upstream"] = Self.text(request.body)
      add(request.headers, "header", "of the request at the upstream")
      add(request.trailers, "trailer", "of the request at the upstream")
    }
    add(left)
  }

  /// Of a connection.
  init(bytes: [UInt8], ended: String, left: String) {
    aspects["the bytes that came back"] = Self.text(bytes)
    aspects["how the connection ended"] = ended
    add(left)
  }

  private mutating func add(_ fields: [String], _ what: String, _ of: String) {
    for field in fields {
      let parts = field.split(separator: ":", maxSplits: 1).map { String($0).trimmed }
      guard !Self.passing.contains(parts[0]) else { continue }
      let key = "\(what) `\(parts[0])` \(of)"
      aspects[key] = (aspects[key].map { $0 + " | " } ?? "") + (parts.count > 1 ? parts[1] : "")
    }
  }

  private mutating func add(_ left: String) {
    for line in left.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
      aspects[parts[0]] = parts.count > 1 ? parts[1] : ""
    }
  }

  private static func text(_ bytes: [UInt8]) -> String {
    bytes.map {
      (32..<127).contains($0) && $0 != 92 ? String(UnicodeScalar($0)) : "\\x" + String($0, radix: 16)
    }
    .joined()
  }

  /// Names of the aspects that are not the same.
  func differences(from other: Outcome) -> Set<String> {
    Set(aspects.keys).union(other.aspects.keys).filter { aspects[$0] != other.aspects[$0] }
  }

  /// One aspect of two, for people: from where they part.
  func describe(_ aspect: String, against other: Outcome) -> String {
    let mine = Array((aspects[aspect] ?? "none").unicodeScalars)
    let its = Array((other.aspects[aspect] ?? "none").unicodeScalars)
    var same = 0
    while same < min(mine.count, its.count), mine[same] == its[same] { same += 1 }
    func part(_ text: [Unicode.Scalar]) -> String {
      let start = max(0, same - 12)
      let end = min(text.count, same + 28)
      var part = String.UnicodeScalarView()
      part.append(contentsOf: text[start..<max(start, end)])
      return (start > 0 ? "..." : "") + String(part) + (end < text.count ? "..." : "")
    }
    return "`\(part(mine))` in one piece, `\(part(its))` in several"
  }
}
