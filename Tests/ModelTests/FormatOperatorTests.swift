// Operators of plugins in format strings, and the numbers of formats that hold them.
import Model
import Testing

/// A source that makes bindings of its own: no plugin is called.
private final class Source: FormatOperatorSource {
  static let plugin = PluginVersion(id: "test", version: "1", hash: "0", handle: 1)
  let formatter = FilterBinding(
    table: UnsafeRawPointer(bitPattern: 8)!, config: nil, handle: 1, filterName: "test",
    plugin: Source.plugin,
    release: {})

  var names: [String] { ["FFI", "WORDS"] }
  func has(_ name: String) -> Bool { names.contains(name) }
  func configuration(of name: String) -> FilterBinding? { formatter }

  func make(_ name: String, argument: String?) throws(FormatError) -> FormatOperatorBinding {
    if argument == "bad" { throw FormatError(message: "it is bad") }
    return FormatOperatorBinding(
      name: "\(name)|\(argument ?? "nil")", kind: name == "FFI" ? .number : .text, use: nil,
      formatter: formatter,
      operators: [:], release: {})
  }
}

struct FormatOperatorTests {
  private let source = Source()

  /// The operators of a format, as the source names them, and their lengths.
  private func parsed(_ text: String) throws -> [String] {
    try FormatParser.parse(text, plugins: source).map { element in
      guard case .value(let value) = element else { return "text" }
      guard case .plugin(let binding) = value.name else { return "own" }
      return binding.name + (value.maxLength.map { ":\($0)" } ?? "")
    }
  }

  @Test(arguments: [
    ("%WORDS%", "WORDS|nil"), ("%WORDS()%", "WORDS|"), ("%WORDS(a):3%", "WORDS|a:3"),
    ("%WORDS(%REQ(a)%, b)%", "WORDS|%REQ(a)%, b"), ("%WORDS(((a)(b)))%", "WORDS|((a)(b))"),
    (#"%WORDS("a)%(")%"#, #"WORDS|"a)%(""#), (#"%WORDS("\")", (b))%"#, #"WORDS|"\")", (b)"#),
    ("%WORDS(%FFI(%FFI(x)%)%)%", "WORDS|%FFI(%FFI(x)%)%"),
  ])
  func arguments(_ text: String, _ expected: String) throws {
    #expect(try parsed(text) == [expected])
    #expect(try parsed("%REQ(a)%<\(text)>%REQ(b)%") == ["own", "text", expected, "text", "own"])
  }

  @Test(arguments: [
    ("%WORDS(a", "the parameter does not end"), ("%WORDS(a(b)%", "the parameter does not end"),
    (#"%WORDS("a)%"#, "the parameter does not end"), (#"%WORDS("a\"#, "the parameter does not end"),
    ("%WORDS(a)", "the operator does not end"), ("%WORDS(bad)%", "`%WORDS%`: it is bad"),
    ("%FFI(a):3%", "`%FFI%`: its value is no text: it takes no length"),
    ("%WORD(a)%", "did you mean %WORDS%?"),
    ("%REQ(%WORDS(a)%)%", "expected the name of an operator"),
  ])
  func wrong(_ text: String, _ message: String) {
    do throws(FormatError) {
      _ = try FormatParser.parse(text, plugins: source)
      Issue.record("taken")
    } catch { #expect(error.message.contains(message), "\(error.message)") }
  }

  @Test func ownOperatorsAreNobodyElses() throws {
    #expect(!FormatParser.isFree("REQ") && !FormatParser.isFree("CEL") && FormatParser.isFree("FFI"))
    for name in ["", "low", "A-B", "A B", String(repeating: "A", count: 65)] {
      #expect(!FormatParser.isOperatorName(name))
    }
    #expect(FormatParser.isOperatorName("A_1"))
  }

  @Test func coalesce() throws {
    let elements = try FormatParser.parse(
      #"%COALESCE({"operators": ["WORDS", {"command": "WORDS", "param": "a"}]})%"#, plugins: source)
    #expect(FormatString(.text(elements)).plugins.map(\.name) == ["WORDS|nil", "WORDS|a"])
  }

  @Test func formatsWithOperatorsAreCountedAndTheirNumbersUsedAgain() throws {
    var resources = PluginResources()
    let plain = FormatString(.text(try FormatParser.parse("%REQ(a)%")))
    let first = FormatString(.text(try FormatParser.parse("%WORDS(a)%", plugins: source)))
    // The same text with another binding: another configuration of the operator.
    let second = FormatString(.text(try FormatParser.parse("%WORDS(a)%", plugins: source)))
    #expect(resources.format(plain) == 0 && resources.format(plain) == 0)
    #expect(resources.format(first) == 1 && resources.format(first) == 1 && resources.format(second) == 2)
    #expect(resources.release(formats: [1]).isEmpty)
    let gone = resources.release(formats: [1])
    #expect(gone.map(\.number) == [1] && resources.formats.slots[1].format == nil)
    #expect(resources.format(second) == 2)
    let third = FormatString(.text(try FormatParser.parse("%WORDS(b)%", plugins: source)))
    #expect(resources.format(third) == 1)
    // A worker that hears late of what has gone does not take it for what has come.
    #expect(resources.formats.slots[1].serial != gone[0].serial)
    #expect(resources.release(formats: [2]).isEmpty && resources.release(formats: [2]).map(\.number) == [2])
  }

  @Test func aFormatLetsGoOfItsOperator() throws {
    final class Flag: @unchecked Sendable { var count = 0 }
    let released = Flag()
    var resources = PluginResources()
    do {
      let binding = FormatOperatorBinding(
        name: "A", kind: .text, use: nil, formatter: source.formatter, operators: [:]
      ) { released.count += 1 }
      let made = resources.format(FormatString(.text([.value(FormatValue(.plugin(binding)))])))
      let number = try #require(made)
      #expect(released.count == 0)
      _ = resources.release(formats: [number])
    }
    #expect(released.count == 1)
  }
}
