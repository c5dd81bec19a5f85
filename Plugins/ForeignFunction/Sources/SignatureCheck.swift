// What a signature says of its own parameters: that there are those whose size or length it names.

enum SignatureCheck {
  static func check(_ signature: Signature) throws(GrammarError) {
    for parameter in signature.parameters {
      switch parameter.kind {
      case .scalar(_, .size(let name)), .pointer(_, _, .size(let name)):
        try checkSize(name, of: parameter, signature)
      case .buffer(_, _, .value(let name)): try checkLength(name, of: parameter, signature)
      default: break
      }
    }
  }

  private static func checkSize(
    _ name: String, of parameter: Signature.Parameter, _ signature: Signature
  ) throws(GrammarError) {
    func fail(_ message: String) -> GrammarError {
      GrammarError(position: parameter.position, message: "sizeof(\(name)): \(message)")
    }
    guard let other = signature.parameters.first(where: { $0.name == name && !name.isEmpty }) else {
      throw fail("no parameter has this name")
    }
    switch other.kind {
    case .string, .bytes, .buffer, .structure: break
    case .scalar, .null, .pointer: throw fail("expected a string, bytes, a buffer or a struct")
    }
  }

  private static func checkLength(
    _ name: String, of parameter: Signature.Parameter, _ signature: Signature
  ) throws(GrammarError) {
    func fail(_ message: String) -> GrammarError {
      GrammarError(position: parameter.position, message: "length \(name): \(message)")
    }
    if name == "result" {
      guard case .scalar(let type) = signature.result, !type.isFloating else {
        throw fail("the result is no whole number")
      }
      return
    }
    guard let other = signature.parameters.first(where: { $0.name == name }) else {
      throw fail("no parameter has this name")
    }
    guard case .pointer(let type, let direction, _) = other.kind, direction.contains(.out), !type.isFloating
    else {
      throw fail("expected a whole number that the function writes, `out` or `inout`")
    }
  }
}
