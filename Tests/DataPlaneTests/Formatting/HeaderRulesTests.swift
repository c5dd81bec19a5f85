// Header rules over heads that are made up.
import Model
import Testing

@testable import DataPlane

struct HeaderRulesTests {
  nonisolated(unsafe) private static var kept: [HeaderRules] = []

  private func addition(
    _ name: String, _ value: String, _ action: HeaderAddition.Action = .appendIfExistsOrAdd
  ) throws -> HeaderAddition {
    var format = FormatString(.text(try FormatParser.parse(value)))
    format.omitEmptyValues = true
    var addition = HeaderAddition(name: name, value: format)
    addition.action = action
    return addition
  }

  private func values(_ name: String, _ head: MessageHead) -> [String] {
    (0..<head.headers.count).filter { head.headers.entries[$0].nameView.string == name }
      .map { head.headers.entries[$0].valueView.string }
  }

  private func apply(_ add: [HeaderAddition], remove: [String] = []) throws -> FormatFixture {
    let fixture = try FormatFixture()
    var model = HeaderMutations()
    model.add = add
    model.remove = remove
    let rules = try #require(HeaderRules.compile(model, names: fixture.worker.names))
    // Names point into the rules, as they do into a configuration.
    Self.kept.append(rules)
    fixture.with { rules.apply(to: fixture.request, &$0) }
    #expect(fixture.worker.text.count == 0)
    return fixture
  }

  @Test func actions() throws {
    let request = try apply([
      addition("x-a", "3"), addition("x-b", "b", .addIfAbsent), addition("x-c", "c", .overwriteIfExists),
      addition("x-d", "%REQ(no)%"), addition("x-e", "%REQ(x-a)%"),
    ]).request
    #expect(values("x-a", request) == ["one", "two", "3"])
    #expect(values("x-b", request) == ["b"])
    #expect(values("x-c", request).isEmpty && values("x-d", request).isEmpty)
    #expect(values("x-e", request) == ["one"])
  }

  @Test func overwritingAndRemoving() throws {
    let request = try apply(
      [addition("x-a", "%REQ(x-a)%!", .overwriteIfExistsOrAdd), addition("content-type", "more")],
      remove: ["x-z"]
    ).request
    #expect(values("x-a", request) == ["one!"])
    // One of the table's own: joined in one line.
    #expect(values("content-type", request) == ["application/grpc+proto,more"])
    #expect(try values("x-a", apply([], remove: ["x-a"]).request).isEmpty)
  }

  @Test func aRemovedLengthMakesChunks() throws {
    let fixture = try FormatFixture()
    fixture.request.contentLength = 5
    fixture.add("content-length", "5", to: fixture.request)
    var model = HeaderMutations()
    model.remove = ["content-length"]
    let rules = try #require(HeaderRules.compile(model, names: fixture.worker.names))
    fixture.with { rules.apply(to: fixture.request, &$0) }
    #expect(fixture.request.isChunked && fixture.request.contentLength == -1)
  }

  @Test func levels() throws {
    func level(_ tag: String) throws -> HeaderRuleSet {
      var set = HeaderRuleSet()
      set.request.add = [try addition("x-l", tag, .overwriteIfExistsOrAdd)]
      return set
    }
    for (wins, last) in [(false, "table"), (true, "route")] {
      let fixture = try FormatFixture()
      let rules = try #require(
        RouteHeaderRules.compile(
          [level("route"), level("host"), level("table")], mostSpecificWins: wins, names: fixture.worker.names
        ))
      fixture.with { rules.applyToRequest(fixture.request, &$0) }
      #expect(values("x-l", fixture.request) == [last])
    }
    #expect(
      RouteHeaderRules.compile([HeaderRuleSet()], mostSpecificWins: true, names: HeaderNameTable()) == nil)
  }
}
