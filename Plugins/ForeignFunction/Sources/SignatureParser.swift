// Reads signatures. The grammar:
//
//     signature = "(" [parameter *("," parameter)] ")" "->" result
//     parameter = [name ":"] type
//     type      = scalar ["=" (number / sizeof)] / sizeof / "null"
//               / ("string" / "bytes") ["=" quoted]
//               / way scalar ["=" (number / sizeof)]              a pointer to one
//               / way ("string" / "bytes") "[" capacity "]" ["length" name]
//               / way "struct" "{" field *("," field) "}"         a pointer to one
//     way       = "in" / "out" / "inout"
//     sizeof    = "sizeof" "(" name ")"                           of type size where it stands alone
//     field     = name ":" scalar ["=" number]
//     result    = "void" / scalar / "string" ["free" "(" symbol ")"] / "pointer"

struct SignatureParser {
  private var scanner: GrammarScanner
  private var names: Set<String> = ["result"]

  static func parse(_ text: String) throws(GrammarError) -> Signature {
    var parser = SignatureParser(scanner: try GrammarScanner(text))
    let signature = try parser.signature()
    try SignatureCheck.check(signature)
    return signature
  }

  private mutating func signature() throws(GrammarError) -> Signature {
    try scanner.expect("(")
    var parameters: [Signature.Parameter] = []
    if try !scanner.take(")") {
      repeat {
        if parameters.count == Signature.parameterLimit {
          throw scanner.fail("more than \(Signature.parameterLimit) parameters")
        }
        parameters.append(try parameter())
      } while try scanner.take(",")
      try scanner.expect(")")
    }
    try scanner.expect("->")
    let result = try result()
    try scanner.expectEnd()
    return Signature(parameters: parameters, result: result)
  }

  private static let words: Set<String> = Set(ScalarType.names.keys).union([
    "null", "string", "bytes", "in", "out", "inout", "struct", "sizeof", "void", "pointer",
  ])

  private mutating func parameter() throws(GrammarError) -> Signature.Parameter {
    let position = scanner.position
    var word = try scanner.takeWord("the type or the name of a parameter")
    var name = ""
    if scanner.token == .mark(":") {
      name = try define(word, at: position)
      try scanner.advance()
      word = try scanner.takeWord("the type of `\(name)`")
    }
    return Signature.Parameter(name: name, kind: try kind(word, name), position: position)
  }

  private mutating func define(_ name: String, at position: Int) throws(GrammarError) -> String {
    func fail(_ message: String) -> GrammarError { GrammarError(position: position, message: message) }
    if Self.words.contains(name) { throw fail("`\(name)` is a word of signatures and cannot be a name") }
    if name.contains(".") { throw fail("`\(name)` has a point, which names have not") }
    if !names.insert(name).inserted { throw fail("there is a `\(name)` already") }
    return name
  }

  private mutating func kind(_ word: String, _ name: String) throws(GrammarError) -> Signature.Kind {
    switch word {
    case "null": return .null
    case "sizeof": return .scalar(.uint64, .size(of: try sizeOf()))
    case "string": return .string(constant: try constantText())
    case "bytes": return .bytes(constant: try constantText())
    case "in": return try pointee(.into, name)
    case "out": return try pointee(.out, name)
    case "inout": return try pointee([.into, .out], name)
    default:
      guard let type = ScalarType.names[word] else { throw unknownType(word) }
      return .scalar(type, try source(type))
    }
  }

  private func unknownType(_ word: String) -> GrammarError {
    GrammarError(
      position: scanner.position,
      message: "`\(word)` in front of this is no type: expected int8 to int64, uint8 to uint64, size, float, "
        + "double, string, bytes, null, sizeof, or in, out or inout with what is pointed to")
  }

  private mutating func sizeOf() throws(GrammarError) -> String {
    try scanner.expect("(")
    let name = try scanner.takeWord("the name of a parameter")
    try scanner.expect(")")
    return name
  }

  private mutating func constantText() throws(GrammarError) -> String? {
    guard try scanner.take("=") else { return nil }
    guard case .text(let text) = scanner.token else {
      throw scanner.fail("expected text in double quotes, found \(scanner.token.description)")
    }
    if text.unicodeScalars.contains("\0") { throw scanner.fail("the text has a NUL") }
    try scanner.advance()
    return text
  }

  private mutating func source(_ type: ScalarType, takesSize: Bool = true) throws(GrammarError)
    -> Signature.Source
  {
    guard try scanner.take("=") else { return .argument }
    if takesSize, scanner.token == .word("sizeof") {
      if type.isFloating { throw scanner.fail("a size is a whole number") }
      try scanner.advance()
      return .size(of: try sizeOf())
    }
    guard case .number(let text) = scanner.token else {
      throw scanner.fail("expected a number, found \(scanner.token.description)")
    }
    guard let bits = type.bits(text) else { throw scanner.fail("\(text) is no number of this type") }
    try scanner.advance()
    return .constant(bits)
  }

  // MARK: What is pointed to

  private mutating func pointee(
    _ direction: Direction, _ name: String
  ) throws(GrammarError) -> Signature.Kind {
    let word = try scanner.takeWord("what is pointed to")
    switch word {
    case "struct": return try structure(direction, name)
    case "string", "bytes": return try buffer(direction, isString: word == "string")
    default:
      guard let type = ScalarType.names[word] else { throw unknownType(word) }
      let source = try source(type)
      if source != .argument, direction == .out {
        throw scanner.fail("what the function writes (`out`) has no value before: expected `inout`")
      }
      return .pointer(type, direction, source)
    }
  }

  private mutating func buffer(_ direction: Direction, isString: Bool) throws(GrammarError) -> Signature.Kind
  {
    try scanner.expect("[")
    guard case .number(let text) = scanner.token, let capacity = Int(text),
      (1...Signature.capacityLimit).contains(capacity)
    else {
      throw scanner.fail(
        "expected a capacity of 1 to \(Signature.capacityLimit) bytes, found \(scanner.token.description)")
    }
    try scanner.advance()
    try scanner.expect("]")
    var length = isString ? Signature.Length.untilNUL : .whole
    if scanner.token == .word("length") {
      try scanner.advance()
      length = .value(try scanner.takeWord("`result` or the name of a number that the function writes"))
    }
    return .buffer(capacity: capacity, direction, length)
  }

  private mutating func structure(
    _ direction: Direction, _ name: String
  ) throws(GrammarError) -> Signature.Kind {
    try scanner.expect("{")
    var fields: [Signature.Field] = []
    var size = 0
    var alignment = 1
    repeat {
      let position = scanner.position
      let field = try scanner.takeWord("the name of a field")
      if field.contains(".") || fields.contains(where: { $0.name == field }) {
        throw GrammarError(position: position, message: "`\(field)` is there already, or no name")
      }
      if fields.count == Signature.fieldLimit {
        throw scanner.fail("more than \(Signature.fieldLimit) fields")
      }
      try scanner.expect(":")
      let word = try scanner.takeWord("the type of `\(field)`")
      guard let type = ScalarType.names[word] else {
        throw GrammarError(
          position: position, message: "the field `\(field)` is a `\(word)`: expected a number's type")
      }
      let source = try source(type, takesSize: false)
      size = (size + type.size - 1) / type.size * type.size
      fields.append(Signature.Field(name: field, type: type, source: source, offset: size))
      size += type.size
      alignment = max(alignment, type.size)
    } while try scanner.take(",")
    try scanner.expect("}")
    return .structure(fields, size: (size + alignment - 1) / alignment * alignment, direction)
  }

  // MARK: The result

  private mutating func result() throws(GrammarError) -> Signature.Result {
    let position = scanner.position
    let word = try scanner.takeWord("the type of the result")
    switch word {
    case "void": return .void
    case "pointer": return .pointer
    case "string":
      guard scanner.token == .word("free") else { return .string(freedBy: nil) }
      try scanner.advance()
      try scanner.expect("(")
      let symbol = try scanner.takeWord("the name of the function that frees it")
      try scanner.expect(")")
      return .string(freedBy: symbol)
    default:
      if let type = ScalarType.names[word] { return .scalar(type) }
      throw GrammarError(
        position: position,
        message: "`\(word)` is no result: expected void, a number's type, string or pointer")
    }
  }
}
