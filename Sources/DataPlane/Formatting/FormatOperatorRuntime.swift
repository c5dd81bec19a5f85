// An operator of a plugin in a compiled format. How plugins are called is the business of a room above this
// one, which makes these.
import Model

class FormatOperatorRuntime {
  /// Set once, before any format is compiled. Nil where there are no plugins.
  nonisolated(unsafe) static var make: ((FormatOperatorBinding) -> FormatOperatorRuntime?)?

  var needs: FormatNeeds { [] }

  /// Adds the value to the buffer. False: there is none, and nothing was written.
  func write(_ context: UnsafeMutablePointer<FormatContext>, to out: TextBuffer) -> Bool { false }
}

extension FormatStep {
  func writePlugin(_ context: inout FormatContext, to out: TextBuffer) -> Bool {
    guard let pointer else { return false }
    let start = out.count
    let isWritten = withUnsafeMutablePointer(to: &context) { context in
      Unmanaged<FormatOperatorRuntime>.fromOpaque(pointer)._withUnsafeGuaranteedRef {
        $0.write(context, to: out)
      }
    }
    guard isWritten else { return false }
    // What is no JSON would make the whole line none.
    if kind == 0 || FormatStep.isJSON(out.view(from: start), isNumber: kind == 1) { return true }
    out.truncate(to: start)
    return false
  }

  /// A truth value, or a number as RFC 8259 section 6 writes it.
  static func isJSON(_ text: ByteView, isNumber: Bool) -> Bool {
    if !isNumber { return text == "true" || text == "false" }
    var index = text.count > 0 && text[0] == UInt8(ascii: "-") ? 1 : 0
    func digits() -> Int {
      let start = index
      while index < text.count, (0x30...0x39).contains(text[index]) { index += 1 }
      return index - start
    }
    let first = index
    let whole = digits()
    if whole == 0 || (whole > 1 && text[first] == 0x30) { return false }
    if index < text.count, text[index] == UInt8(ascii: ".") {
      index += 1
      if digits() == 0 { return false }
    }
    if index < text.count, text[index] | 0x20 == UInt8(ascii: "e") {
      index += 1
      if index < text.count, text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "-") {
        index += 1
      }
      if digits() == 0 { return false }
    }
    return index == text.count
  }
}
