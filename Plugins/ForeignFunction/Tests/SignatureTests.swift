// Signatures and comparisons: what they mean, and what is said of those that mean nothing.
import Testing

@testable import ForeignFunction

struct SignatureTests {
  private func parse(_ text: String) throws -> Signature { try SignatureParser.parse(text) }

  /// What is said of a signature; nil: it is one.
  private func problem(_ text: String) -> String? {
    do throws(GrammarError) {
      _ = try SignatureParser.parse(text)
      return nil
    } catch { return error.description }
  }

  @Test func aSignature() throws {
    let signature = try parse(
      #"(data: bytes, sizeof(data), key: string = "a\"b", mode: int32 = -0x10, out uint8) -> pointer"#)
    #expect(
      signature.parameters.map(\.kind) == [
        .bytes(constant: nil), .scalar(.uint64, .size(of: "data")), .string(constant: "a\"b"),
        .scalar(.int32, .constant(UInt64(bitPattern: -16))), .pointer(.uint8, .out, .argument),
      ])
    #expect(signature.parameters.map(\.name) == ["data", "", "key", "mode", ""])
    #expect(signature.result == .pointer && signature.argumentCount == 1)
  }

  @Test func nothing() throws {
    let signature = try parse(" ( ) -> void ")
    #expect(signature.parameters.isEmpty && signature.result == .void)
  }

  @Test func structsLieAsInC() throws {
    let signature = try parse(
      "(s: inout struct { a: int8, b: int32 = 7, c: int16, d: double, e: uint8 }) -> int32")
    guard case .structure(let fields, let size, let direction) = signature.parameters[0].kind else {
      Issue.record("no struct")
      return
    }
    #expect(fields.map(\.offset) == [0, 4, 8, 16, 24] && size == 32 && direction == [.into, .out])
    #expect(signature.argumentCount == 4)
    #expect(FrameLayout(signature).valueNames(signature) == ["result", "s.a", "s.b", "s.c", "s.d", "s.e"])
  }

  @Test func buffers() throws {
    let signature = try parse(
      "(a: out bytes[32], b: out string[8], c: inout bytes[4] length n, n: inout size = sizeof(c)) -> "
        + "string free(free)"
    )
    #expect(
      signature.parameters.map(\.kind) == [
        .buffer(capacity: 32, .out, .whole), .buffer(capacity: 8, .out, .untilNUL),
        .buffer(capacity: 4, [.into, .out], .value("n")), .pointer(.uint64, [.into, .out], .size(of: "c")),
      ])
    #expect(signature.result == .string(freedBy: "free") && signature.argumentCount == 1)
  }

  @Test(arguments: [
    ("", "at character 1: expected `(`, found the end"),
    ("int32", "at character 1: expected `(`, found `int32`"),
    ("(", "at character 2: expected the type or the name of a parameter, found the end"),
    ("()", "at character 3: expected `->`, found the end"),
    ("() ->", "at character 6: expected the type of the result, found the end"),
    ("() -> int", "at character 7: `int` is no result: expected void, a number's type, string or pointer"),
    ("() -> void void", "at character 12: expected nothing more, found `void`"),
    ("(int32,) -> void", "at character 8: expected the type or the name of a parameter, found `)`"),
    ("(int32 int32) -> void", "at character 8: expected `)`, found `int32`"),
    ("(a: int32, a: int32) -> void", "at character 12: there is a `a` already"),
    ("(result: int32) -> void", "at character 2: there is a `result` already"),
    ("(int32: int32) -> void", "at character 2: `int32` is a word of signatures and cannot be a name"),
    ("(int32 = x) -> void", "at character 10: expected a number, found `x`"),
    ("(uint8 = 256) -> void", "at character 10: 256 is no number of this type"),
    ("(uint8 = -1) -> void", "at character 10: -1 is no number of this type"),
    ("(int8 = 128) -> void", "at character 9: 128 is no number of this type"),
    (
      "(int64 = 99999999999999999999) -> void",
      "at character 10: 99999999999999999999 is no number of this type"
    ),
    ("(double = 1e999) -> void", "at character 11: 1e999 is no number of this type"),
    ("(double = sizeof(a), a: bytes) -> void", "at character 11: a size is a whole number"),
    ("(string = abc) -> void", "at character 11: expected text in double quotes, found `abc`"),
    ("(string = \"abc) -> void", "at character 11: the quotation does not end: expected `\"`"),
    (
      "(out int32 = 1) -> void",
      "at character 15: what the function writes (`out`) has no value before: expected `inout`"
    ),
    ("(out bytes) -> void", "at character 11: expected `[`, found `)`"),
    ("(out bytes[]) -> void", "at character 12: expected a capacity of 1 to 65536 bytes, found `]`"),
    ("(out bytes[0]) -> void", "at character 12: expected a capacity of 1 to 65536 bytes, found `0`"),
    ("(out bytes[65537]) -> void", "at character 12: expected a capacity of 1 to 65536 bytes, found `65537`"),
    ("(out bytes[4] length n) -> void", "at character 2: length n: no parameter has this name"),
    (
      "(out bytes[4] length result) -> pointer",
      "at character 2: length result: the result is no whole number"
    ),
    (
      "(out bytes[4] length n, n: int32) -> void",
      "at character 2: length n: expected a whole number that the function writes, `out` or `inout`"
    ),
    ("(sizeof(a)) -> void", "at character 2: sizeof(a): no parameter has this name"),
    (
      "(sizeof(a), a: int32) -> void",
      "at character 2: sizeof(a): expected a string, bytes, a buffer or a struct"
    ),
    ("(sizeof()) -> void", "at character 9: expected the name of a parameter, found `)`"),
    ("(in struct {}) -> void", "at character 13: expected the name of a field, found `}`"),
    (
      "(in struct {a: string}) -> void",
      "at character 13: the field `a` is a `string`: expected a number's type"
    ),
    ("(in struct {a: int8, a: int8}) -> void", "at character 22: `a` is there already, or no name"),
    ("(&) -> void", "at character 2: `&` has no meaning here"),
    ("(a.b: int32) -> void", "at character 2: `a.b` has a point, which names have not"),
  ])
  func nonsense(_ text: String, _ message: String) { #expect(problem(text) == message) }

  @Test func moreThanThereCanBe() {
    let many = Array(repeating: "int32", count: 33).joined(separator: ", ")
    #expect(problem("(\(many)) -> void")?.hasSuffix("more than 32 parameters") == true)
    let fields = (0..<65).map { "f\($0): int8" }.joined(separator: ", ")
    #expect(problem("(in struct {\(fields)}) -> void")?.hasSuffix("more than 64 fields") == true)
  }

  /// Whatever stands there: an answer, and no crash. Pieces of signatures in any order, and bytes of none.
  @Test func anyNonsense() {
    let pieces = [
      "(", ")", "{", "}", "[", "]", ",", ":", "=", "->", "int32", "size", "string", "bytes", "out", "inout",
      "in", "struct",
      "sizeof", "length", "free", "null", "void", "pointer", "double", "a", "b", "result", "7", "-1", "0x",
      "1e", "\"", "\"x\"",
      "\\", "é", "\0", "==", "<", " ", "\n", "\u{202e}",
    ]
    var random = SystemRandomNumberGenerator()
    var accepted = 0
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...14, using: &random)
      let text = "(" + (0..<count).map { _ in pieces.randomElement(using: &random)! }.joined() + ") -> void"
      if problem(text) == nil { accepted += 1 }
    }
    #expect(accepted > 0)
  }

  @Test(arguments: [
    (ScalarType.int8, "-128", UInt64(bitPattern: -128)), (.int8, "127", 127), (.uint16, "0xFFFF", 65535),
    (.int64, "-9223372036854775808", UInt64(1) << 63), (.uint64, "18446744073709551615", .max),
    (.double, "-1.5e2", (-150.0).bitPattern), (.float, "0.5", UInt64(Float(0.5).bitPattern)),
    (.int32, "-0", 0),
  ])
  func numbers(_ type: ScalarType, _ text: String, _ bits: UInt64) { #expect(type.bits(text) == bits) }

  @Test(arguments: [
    (ScalarType.int8, "-129"), (.int8, "128"), (.uint8, "-1"), (.uint16, "0x10000"), (.int32, ""),
    (.int32, "-"), (.int32, "0x"),
    (.int32, "1 "), (.int32, " 1"), (.int32, "+1"), (.int32, "1.0"), (.int64, "9223372036854775808"),
    (.uint64, "18446744073709551616"), (.double, ""), (.double, "nan"), (.double, "inf"), (.double, "0x1p3"),
    (.float, "1e40"), (.double, "1e"),
  ])
  func noNumbers(_ type: ScalarType, _ text: String) { #expect(type.bits(text) == nil) }

  @Test(arguments: [
    ("name", ["name"]), ("name, a , b", ["name", "a", "b"]), ("f,", ["f", ""]), ("", [""]),
    ("f, %REQ(x-a, b)%, c", ["f", "%REQ(x-a, b)%", "c"]), (#"f, "a, b)", c"#, ["f", "a, b)", "c"]),
    (#"f, "a \"b\" \\" , c"#, ["f", #"a "b" \"#, "c"]), (#"f, a "b, c" d"#, ["f", #"a "b, c" d"#]),
  ])
  func arguments(_ text: String, _ parts: [String]) throws { #expect(try ArgumentList.split(text) == parts) }

  @Test(arguments: [
    (#"f, "a"#, "at character 4: the quotation does not end: expected `\"`"),
    (#"f, "a" b"#, "at character 8: expected `,` or the end behind the quotation"),
    (#"f, a "b"#, "at character 4: the quotation does not end: expected `\"`"),
    (#"f, "a\"#, "at character 4: the quotation does not end: expected `\"`"),
  ])
  func noArguments(_ text: String, _ message: String) {
    do throws(GrammarError) {
      _ = try ArgumentList.split(text)
      Issue.record("taken")
    } catch { #expect(error.description == message) }
  }

  @Test(arguments: [
    ("", nil), ("result == 0", nil), ("n >= -3", nil), (#"text != "a""#, nil),
    ("result", "at character 7: expected ==, !=, <, <=, > or >=, found the end"),
    ("other == 1", "at character 1: the function has no value `other`; it has `result`, `text`, `n`"),
    ("result == null", "at character 11: expected a number, found `null`"),
    ("result == 1.5", "at character 11: 1.5 is no number of this type"),
    ("text < \"a\"", "at character 8: expected == or != and text in double quotes, found \"a\""),
    ("result == 1 2", "at character 13: expected nothing more, found `2`"),
    ("= 1", "at character 1: expected the name of a value, found `=`"),
  ])
  func comparisons(_ text: String, _ problem: String?) throws {
    let signature = try parse("(text: out string[8], n: out int16) -> uint32")
    var found: String?
    do { _ = try Comparison.make(text, FrameLayout(signature), signature, at: "") } catch {
      found = "\(error)"
    }
    #expect(found == problem)
  }
}
