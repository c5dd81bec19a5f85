// Messages in pieces: the same bytes whatever the seed, the same pieces for the same seed; and the comparison
// of what came of them.
@testable import PluginHost
import Testing

@testable import PluginTools

enum TestFilters {
  static let http = PluginReport.Filter(
    kind: .http, name: "com.example.a", typeNames: ["com.example.A"], routeTypeNames: [], isTerminal: false,
    descriptorBytes: 0, hooks: [], operators: [])
}

@Suite struct MessageTests {
  private let message = Message("POST / HTTP/1.1", [("host", "a")])

  @Test func piecesAreTheMessage() {
    let body = Array("some bytes of a body, and some more".utf8)
    let whole = message.with(body, .length)
    var random = SeededRandom(seed: 1)
    let expected = whole.pieces(&random, isWhole: true).flatMap(\.self)
    for seed in 0..<200 {
      var cuts = SeededRandom(seed: UInt64(seed))
      let pieces = whole.pieces(&cuts, isWhole: false)
      #expect(pieces.flatMap(\.self) == expected && !pieces.contains { $0.isEmpty })
      var again = SeededRandom(seed: UInt64(seed))
      #expect(whole.pieces(&again, isWhole: false) == pieces)
    }
  }

  @Test func outcomesDifferByAspect() {
    var answer = ReadMessage()
    answer.start = "HTTP/1.1 200 OK"
    answer.headers = ["x-a: 1", "date: now"]
    answer.body = Array("hello".utf8)
    var other = answer
    other.headers = ["x-a: 2", "date: then"]
    let first = Outcome(answer: answer, request: nil, left: "metric a=1\n")
    let second = Outcome(answer: other, request: nil, left: "metric a=2\n")
    #expect(second.differences(from: first) == ["header `x-a` of the answer", "metric a"])
    #expect(first.describe("metric a", against: second) == "`1` in one piece, `2` in several")
    #expect(first.differences(from: first).isEmpty)
  }

  @Test func linesOfChildren() {
    #expect(CheckLine("V A7 read x")?.requirement == "A7")
    #expect(CheckLine("U plugin 'x': no")?.text == "plugin 'x': no")
    #expect(CheckLine("Q martlet.host.core/1")?.text == "martlet.host.core/1")
    #expect(CheckLine("something else") == nil)
    #expect(Set(Requirement.all.map(\.id)).count == Requirement.all.count)
  }
}
