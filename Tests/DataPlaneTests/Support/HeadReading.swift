// Feeding heads to the parser in pieces, from memory that may move between them, and what is left
// of them as plain values that can be compared.
@testable import DataPlane

/// What a head says, without a pointer.
struct HeadFacts: Equatable {
  struct Field: Equatable {
    var name: String
    var value: [UInt8]
    var id: UInt16
  }
  var fields: [Field] = []
  var method = HTTPMethod.other
  var methodText = ""
  var path: [UInt8] = []
  var authority: [UInt8] = []
  var isAbsoluteForm = false
  var status = 0
  var minorVersion: UInt8 = 1
  var contentLength: Int64 = -1
  var isChunked = false
  var hosts = 0
  var close = false
  var keepAlive = false
  var upgrade = false
  var nominates = false
  var expectsContinue = false

  init(_ head: MessageHead) {
    for index in 0..<head.headers.count {
      let entry = head.headers.entries[index]
      fields.append(
        Field(name: entry.nameView.string, value: entry.valueView.array, id: entry.id.rawValue))
    }
    method = head.method
    methodText = head.methodText.string
    path = head.path.array
    authority = head.authority.array
    isAbsoluteForm = head.isAbsoluteForm
    status = head.status
    minorVersion = head.minorVersion
    contentLength = head.contentLength
    isChunked = head.isChunked
    hosts = head.hosts
    close = head.connectionClose
    keepAlive = head.connectionKeepAlive
    upgrade = head.connectionUpgrade
    nominates = head.connectionNominates
    expectsContinue = head.expectsContinue
  }

  func value(_ name: String) -> String? {
    fields.first { $0.name == name }.map { text($0.value) }
  }
}

struct HeadReading: Equatable {
  var outcome: HTTP1HeadParser.Outcome
  /// Only of a complete head.
  var facts: HeadFacts?
}

/// Parses `input` given in pieces that end at `cuts`. `moving`: every piece lies in fresh memory of
/// exactly its size, the old memory is overwritten and freed.
func readHead(
  _ kind: HTTP1HeadParser.Kind, _ input: [UInt8], cuts: [Int] = [], moving: Bool = false,
  limits: HTTP1HeadParser.Limits = .init(maxBytes: 60 << 10, maxHeaders: 100),
  names: HeaderNameTable = HeaderNameTable(),
  rules: HTTP1RequestRules? = nil
) -> HeadReading {
  var parser = HTTP1HeadParser(kind)
  let head = MessageHead()
  var memory = UnsafeMutablePointer<UInt8>.allocate(capacity: input.count)
  memory.update(from: input, count: input.count)
  defer { memory.deallocate() }
  var seen = 0
  for end in cuts.filter({ $0 < input.count }) + [input.count] {
    if moving, seen > 0 {
      // What was parsed moves with its changes (names in lower case); what is to come is fresh.
      let fresh = UnsafeMutablePointer<UInt8>.allocate(capacity: input.count)
      fresh.update(from: memory, count: input.count)
      memory.update(repeating: 0xff, count: input.count)
      memory.deallocate()
      memory = fresh
    }
    seen = end
    let outcome = parser.parse(memory, end, into: head, names: names, limits: limits)
    switch outcome {
    case .needMore: continue
    case .failed: return HeadReading(outcome: outcome)
    case .complete:
      if let rules, let error = HTTP1FieldRules.checkRequest(head, options: rules) {
        return HeadReading(outcome: .failed(error))
      }
      if kind == .response, let error = HTTP1FieldRules.checkResponse(head) {
        return HeadReading(outcome: .failed(error))
      }
      return HeadReading(outcome: outcome, facts: HeadFacts(head))
    }
  }
  return HeadReading(outcome: .needMore)
}

/// A request under the usual rules.
func readRequest(_ text: String, _ rules: HTTP1RequestRules = .init()) -> HeadReading {
  readHead(.request, bytes(text), rules: rules)
}
