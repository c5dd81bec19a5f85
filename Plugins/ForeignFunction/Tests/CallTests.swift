// %FFI% with functions of the C library, under a host of C tables.
import MartletTestHost
import SwiftProtobuf
import Testing

@testable import ForeignFunction

typealias FunctionMessage = Martlet_ForeignFunction_V1_Function

func function(
  _ name: String, _ signature: String, library: String = "", symbol: String = "", success: String = "",
  value: String = "", encoding: Martlet_ForeignFunction_V1_Encoding = .text
) -> FunctionMessage {
  .with {
    $0.name = name
    $0.library = library
    $0.symbol = symbol
    $0.signature = signature
    $0.success = success
    $0.value = value
    $0.encoding = encoding
  }
}

@Suite(.serialized)
struct CallTests {
  let host = TestHost()

  private func configuration(_ functions: [FunctionMessage]) throws -> TestConfiguration {
    let message = Martlet_ForeignFunction_V1_Functions.with { $0.functions = functions }
    return try TestConfiguration(
      host.open(foreignFunctionPlugin()), formatter: "martlet.formatters.foreign_function",
      type: "martlet.foreign_function.v1.Functions", encoding: 1, message.serializedBytes())
  }

  private func findings(_ functions: [FunctionMessage], _ argument: String? = nil) throws -> [TestFinding] {
    do {
      let configuration = try configuration(functions)
      defer { configuration.destroy() }
      if let argument { _ = try TestOperator(configuration, "FFI", argument: argument) }
      return []
    } catch let refusal as TestRefusal { return refusal.findings }
  }

  /// The value of %FFI(argument)% for a request with these fields.
  private func value(_ functions: FunctionMessage, _ argument: String, _ fields: [TestField] = []) throws
    -> String?
  {
    let configuration = try configuration([functions])
    let one = try TestOperator(configuration, "FFI", argument: argument)
    defer {
      one.destroy()
      configuration.destroy()
    }
    return one.value(TestStream(configuration, fields))
  }

  static let time =
    "(in int64, t: out struct {sec: int32, min: int32, hour: int32, mday: int32, mon: int32, year: int32, "
    + "wday: int32, yday: int32, isdst: int32, gmtoff: int64, zone: uint64}) -> pointer"

  // A function, %FFI%'s argument, the value.
  static let good: [(FunctionMessage, String, String?)] = [
    (function("abs", "(int32) -> int32"), "abs, -7", "7"),
    (function("strtol", "(string, null, int32) -> int64"), "strtol, %REQ(x-a)%, 16", "48879"),
    (function("strtol", "(string, null, int32 = 10) -> int64"), "strtol, \"-12, or so\"", "-12"),
    (function("getenv", "(string) -> string"), "getenv, MARTLET_TESTS_HAVE_NO_SUCH_THING", nil),
    (function("copy", "(string) -> string free(free)", symbol: "strdup"), "copy, %REQ(x-a)%", "beef"),
    (function("strlen", "(string) -> size"), "strlen, %REQ(x-none)%", "0"),
    (function("toupper", "(int32) -> int32"), "toupper, 97", "65"),
    (function("ldexp", "(double, int32) -> double", library: "libm.so.6"), "ldexp, 0.75, 3", "6.0"),
    (function("sqrtf", "(float) -> float", library: "libm.so.6"), "sqrtf, 2.25", "1.5"),
    (
      function("modf", "(double, whole: out double) -> double", library: "libm.so.6", value: "whole"),
      "modf, -3.25", "-3.0"
    ),
    (
      function(
        "inet_pton", "(int32 = 2, string, a: out bytes[4]) -> int32", success: "result == 1", value: "a",
        encoding: .hex),
      "inet_pton, 192.0.2.255", "c00002ff"
    ),
    (
      function(
        "inet_pton", "(int32 = 2, string, a: out bytes[4]) -> int32", success: "result == 1", value: "a",
        encoding: .hex),
      "inet_pton, nonsense", nil
    ),
    (
      function(
        "memcpy", "(to: out bytes[4], from: bytes = \"abcd\", sizeof(from)) -> pointer", encoding: .base64),
      "memcpy", "YWJjZA=="
    ),
    (
      function(
        "memcpy", "(to: out bytes[3], bytes = \"\u{3f}\u{3f}\u{3f}\", sizeof(to)) -> pointer",
        encoding: .base64URL), "memcpy", "Pz8_"
    ),
    (function("strcpy", "(to: out string[8], string) -> pointer"), "strcpy, %REQ(x-a)%", "beef"),
    (function("strcat", "(to: inout string[16], string) -> pointer"), "strcat, %REQ(x-a)%, !", "beef!"),
    (function("gmtime_r", time, success: "result != null", value: "t.year"), "gmtime_r, 1000000000", "101"),
    (
      function(
        "timegm",
        "(inout struct {sec: int32, min: int32, hour: int32, mday: int32, mon: int32, year: int32, "
          + "wday: int32 = 0, "
          + "yday: int32 = 0, isdst: int32 = 0, gmtoff: int64 = 0, zone: uint64 = 0}) -> int64"),
      "timegm, 40, 46, 1, 9, 8, 101", "1000000000"
    ),
    (function("labs", "(int64) -> int64"), "labs, -9223372036854775807", "9223372036854775807"),
    (function("rand", "() -> int32", symbol: "getpagesize"), "rand", "4096"),
  ]

  @Test(arguments: good.indices)
  func calls(_ index: Int) throws {
    let (function, argument, expected) = Self.good[index]
    #expect(try value(function, argument, [TestField("x-a", "beef")]) == expected)
  }

  @Test func kinds() throws {
    let configuration = try configuration([
      function("abs", "(int32) -> int32"), function("getenv", "(string) -> string"),
    ])
    let number = try TestOperator(configuration, "FFI", argument: "abs, 1")
    let text = try TestOperator(configuration, "FFI", argument: "getenv, PATH")
    #expect((number.kind, text.kind) == (1, 0))
    number.destroy()
    text.destroy()
    configuration.destroy()
  }

  @Test func whatDoesNotConvertIsNoValueAndCounted() throws {
    let configuration = try configuration([
      function("abs", "(int32) -> int32"), function("strlen", "(string) -> size"),
      function("strcat", "(to: inout string[8], string = \"\") -> pointer"),
    ])
    let absolute = try TestOperator(configuration, "FFI", argument: "abs, %REQ(x-a)%")
    let length = try TestOperator(configuration, "FFI", argument: "strlen, %REQ(x-a)%")
    let buffer = try TestOperator(configuration, "FFI", argument: "strcat, %REQ(x-a)%")
    func count(_ name: String) -> UInt64? { host.metric("foreign_function.\(name)") }
    for (index, text) in ["", "x", "1.5", "2147483648", "-2147483649", "0x1ffffffff"].enumerated() {
      #expect(absolute.value(TestStream(configuration, [TestField("x-a", text)])) == nil)
      #expect(count("unconverted") == UInt64(index + 1) && count("calls") == 0)
    }
    #expect(absolute.value(TestStream(configuration, [TestField("x-a", "-2147483647")])) == "2147483647")
    #expect(length.value(TestStream(configuration, [TestField("x-a", "a\0b")])) == nil)
    #expect(buffer.value(TestStream(configuration, [TestField("x-a", "12345678")])) == nil)
    #expect(buffer.value(TestStream(configuration, [TestField("x-a", "1234567")])) == "1234567")
    #expect((count("unconverted"), count("calls"), count("failures")) == (8, 2, 0))
    for one in [absolute, length, buffer] { one.destroy() }
    configuration.destroy()
  }

  @Test func aFailureIsNoValueAndCounted() throws {
    let configuration = try configuration([
      function("getenv", "(string) -> string", success: "result != null"),
      function("strtol", "(string, null, int32 = 10) -> int64", success: "result > 0"),
    ])
    let environment = try TestOperator(configuration, "FFI", argument: "getenv, NO_SUCH_VARIABLE_HERE")
    let number = try TestOperator(configuration, "FFI", argument: "strtol, %REQ(x-a)%")
    let stream = TestStream(configuration, [TestField("x-a", "-1")])
    #expect(environment.value(stream) == nil && number.value(stream) == nil)
    #expect(number.value(TestStream(configuration, [TestField("x-a", "12")])) == "12")
    #expect(host.metric("foreign_function.failures") == 2 && host.metric("foreign_function.calls") == 3)
    environment.destroy()
    number.destroy()
    configuration.destroy()
  }

  @Test func longArgumentsAndManyCalls() throws {
    let configuration = try configuration([
      function("strlen", "(string) -> size"),
      function("copy", "(string) -> string free(free)", symbol: "strdup"),
    ])
    let length = try TestOperator(configuration, "FFI", argument: "strlen, %REQ(x-a)%")
    let copy = try TestOperator(configuration, "FFI", argument: "copy, %REQ(x-a)%")
    for count in [0, 1, 1023, 1024, 60_000, 5] {
      let text = String(repeating: "x", count: count)
      let stream = TestStream(configuration, [TestField("x-a", text)])
      #expect(length.value(stream) == "\(count)")
      #expect(copy.value(stream) == text)
    }
    length.destroy()
    copy.destroy()
    configuration.destroy()
  }

  // Functions, %FFI%'s argument (nil: none is made), what is said.
  static let bad: [([FunctionMessage], String?, String, String)] = [
    (
      [function("a", "(int32")], nil, "functions[0].signature",
      "at character 7: expected `)`, found the end"
    ),
    (
      [function("no_such_function_anywhere", "() -> void")], nil, "functions[0].symbol",
      "the process has no symbol `no_such_function_anywhere`"
    ),
    (
      [function("a", "() -> void", library: "/no/such/library.so")], nil, "functions[0].library",
      "/no/such/library.so"
    ),
    (
      [function("sqrt", "(double) -> double", library: "libm.so.6", symbol: "squareroot")], nil,
      "functions[0].symbol",
      "`libm.so.6` has no symbol `squareroot`"
    ),
    (
      [function("strdup", "(string) -> string free(no_such_free)")], nil, "functions[0].signature",
      "the process has no symbol `no_such_free`"
    ),
    (
      [function("abs", "(int32) -> int32", success: "resultt == 0")], nil, "functions[0].success",
      "at character 1: the function has no value `resultt`; it has `result`"
    ),
    (
      [function("abs", "(int32) -> int32", value: "other")], nil, "functions[0].value",
      "the function has no value `other`; it has `result`"
    ),
    (
      [function("memchr", "(bytes, int32, size) -> pointer", value: "result")], nil, "functions[0].value",
      "a pointer can be compared with null and nothing else"
    ),
    (
      [function("abs", "(int32) -> int32"), function("abs", "(int32) -> int32")], nil, "functions[1].name",
      "there is a function \"abs\" already"
    ),
    (
      [function("abs", "(int32) -> int32")], "", "",
      "expected the name of a function in parentheses: %FFI(name, ...)%"
    ),
    ([function("abs", "(int32) -> int32")], "ab, 1", "", "there is no function \"ab\"; there are \"abs\""),
    ([function("abs", "(int32) -> int32")], "abs", "", "abs takes 1 arguments, found 0"),
    ([function("abs", "(int32) -> int32")], "abs, 1, 2", "", "abs takes 1 arguments, found 2"),
    ([function("abs", "(int32) -> int32")], "abs, one", "argument 1 of abs", "\"one\" is no int32"),
    ([function("abs", "(int32) -> int32")], "abs, %BAD%", "argument 1 of abs", "no operator BAD"),
    (
      [function("abs", "(int32) -> int32")], "abs, \"1", "argument",
      "at character 6: the quotation does not end: expected `\"`"
    ),
    ([function("srand", "(uint32) -> void")], "srand, 1", "", "srand gives nothing that could be written"),
    (
      [function("strcpy", "(to: inout string[4], string = \"\") -> pointer")], "strcpy, 1234",
      "argument 1 of strcpy",
      "\"1234\" is no C string for a buffer of 4 bytes"
    ),
  ]

  @Test(arguments: bad.indices)
  func wrong(_ index: Int) throws {
    let (functions, argument, path, message) = Self.bad[index]
    let found = try findings(functions, argument)
    #expect(found.count == 1 && found[0].path == path && found[0].message.contains(message), "\(found)")
  }

  @Test func allThatIsWrongAtOnce() throws {
    let found = try findings([
      function("a", "("), function("b", "() -> what"), function("abs", "(int32) -> int32"),
    ])
    #expect(found.map(\.path) == ["functions[0].signature", "functions[1].signature"])
  }
}
