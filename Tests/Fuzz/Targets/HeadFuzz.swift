// Request and response heads: however the bytes come, the outcome is the same; a head that was taken
// and is written again reads back as the same head, and is then written in the same bytes.
@testable import DataPlane

enum HeadFuzz {
  /// What came of reading a head: an outcome, and what a complete head says as bytes.
  private struct Reading {
    var outcome: HTTP1HeadParser.Outcome
    var facts: [UInt8] = []
    /// The head written again; empty where a rule refuses it.
    var encoded: [UInt8] = []
  }

  // One input at a time: libFuzzer has one thread, and the replay is serialised.
  nonisolated(unsafe) private static let names = HeaderNameTable()
  nonisolated(unsafe) private static let pool = ChunkPool()

  private static let usual = HTTP1HeadParser.Limits(maxBytes: 60 << 10, maxHeaders: 100)
  private static let tight = HTTP1HeadParser.Limits(maxBytes: 64, maxHeaders: 3)

  static func run(_ kind: HTTP1HeadParser.Kind, _ input: [UInt8]) {
    for limits in [usual, tight] {
      let whole = read(kind, input, [], limits)
      compare(kind, whole, read(kind, input, cuts(input, 1), limits))
      compare(kind, whole, read(kind, input, cuts(input, 4), limits))
      if input.count <= 512 {
        compare(kind, whole, read(kind, input, Array(1..<max(input.count, 1)), limits))
      }
      if !whole.encoded.isEmpty { checkWrittenAgain(kind, whole) }
    }
    let trailers = read(.trailers, input, [], usual)
    compare(.trailers, trailers, read(.trailers, input, cuts(input, 2), usual))
    expect(pool.outstanding == 0, "a chunk is kept")
  }

  private static func checkWrittenAgain(_ kind: HTTP1HeadParser.Kind, _ first: Reading) {
    let second = read(kind, first.encoded, [], HTTP1HeadParser.Limits(maxBytes: 1 << 20, maxHeaders: 110))
    expect(
      second.outcome == .complete(length: first.encoded.count),
      "what was written is not read: \(second.outcome)")
    expect(!second.encoded.isEmpty, "what was written is refused by a rule")
    expect(second.encoded == first.encoded, "written again it is not the same")
  }

  private static func compare(_ kind: HTTP1HeadParser.Kind, _ whole: Reading, _ pieces: Reading) {
    if case .failed(let one) = whole.outcome, case .failed(let other) = pieces.outcome {
      // What is no HTTP is refused at its first byte, where later bytes would give another reason.
      let early = kind == .request && (one == .badMethod || other == .badMethod)
      expect(one == other || early, "whole: \(one), in pieces: \(other)")
      return
    }
    expect(whole.outcome == pieces.outcome, "whole: \(whole.outcome), in pieces: \(pieces.outcome)")
    expect(whole.facts == pieces.facts, "a head in pieces says something else")
    expect(whole.encoded == pieces.encoded, "a head in pieces is written differently")
  }

  /// Each piece comes in fresh memory of exactly the size of what is there, as after a move.
  private static func read(
    _ kind: HTTP1HeadParser.Kind, _ input: [UInt8], _ cuts: [Int], _ limits: HTTP1HeadParser.Limits
  ) -> Reading {
    var parser = HTTP1HeadParser(kind)
    let head = MessageHead()
    var memory: UnsafeMutablePointer<UInt8>?
    var parsed = 0
    defer { memory?.deallocate() }
    for end in cuts + [input.count] {
      let fresh = UnsafeMutablePointer<UInt8>.allocate(capacity: end)
      if let memory { fresh.update(from: memory, count: parsed) }
      for index in parsed..<end { fresh[index] = input[index] }
      let old = memory
      memory = fresh
      parsed = end
      let outcome = parser.parse(fresh, end, into: head, names: names, limits: limits)
      // Freed only now: the parser compares the old address, and must not read there.
      old?.deallocate()
      switch outcome {
      case .needMore: continue
      case .failed: return Reading(outcome: outcome)
      case .complete(let length):
        expect(length <= end, "a head longer than its bytes")
        return Reading(outcome: outcome, facts: facts(head), encoded: encode(kind, head))
      }
    }
    return Reading(outcome: .needMore)
  }

  private static func facts(_ head: MessageHead) -> [UInt8] {
    var all = head.methodText.array + [0] + head.path.array + [0] + head.authority.array
    for index in 0..<head.headers.count {
      let entry = head.headers.entries[index]
      all += [1] + entry.nameView.array + [0] + entry.valueView.array
    }
    let numbers = [
      head.status, Int(head.minorVersion), Int(head.contentLength), head.transferEncodings, head.hosts,
    ]
    let flags = [
      head.isChunked, head.connectionClose, head.connectionKeepAlive, head.connectionUpgrade,
      head.connectionNominates, head.expectsContinue, head.hasUpgrade,
    ]
    return all + "\(numbers)\(flags)".utf8
  }

  private static func encode(_ kind: HTTP1HeadParser.Kind, _ head: MessageHead) -> [UInt8] {
    let queue = OutboundQueue(pool: pool)
    let framing: HTTP1Encoder.Framing =
      head.isChunked ? .chunked : head.contentLength >= 0 ? .contentLength : .none
    switch kind {
    case .request:
      let rules = HTTP1RequestRules(acceptHTTP10: true, allowAbsoluteURL: true)
      if HTTP1FieldRules.checkRequest(head, options: rules) != nil { return [] }
      HTTP1FieldRules.removeNominated(head)
      HTTP1Encoder.request(head, framing: framing, keepAlive: !head.connectionClose, to: queue)
    case .response:
      if HTTP1FieldRules.checkResponse(head) != nil { return [] }
      HTTP1FieldRules.removeNominated(head)
      HTTP1Encoder.response(
        head, framing: framing, connection: head.connectionClose ? .close : .none, to: queue)
    case .trailers:
      HTTP1Encoder.lastChunk(trailers: head, to: queue)
    }
    var out: [UInt8] = []
    while let slice = queue.popSlice() {
      out += UnsafeBufferPointer(start: slice.bytes, count: slice.count)
      slice.release()
    }
    return out
  }
}
