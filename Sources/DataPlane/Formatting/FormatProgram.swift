// A compiled format of one worker: made when a configuration is applied, evaluated into a buffer
// without an allocation.
import Model

final class FormatProgram {
  /// Bytes of what has no value, in text.
  private let omitsEmpty: Bool
  private let memory: FormatMemory
  private let steps: UnsafePointer<FormatStep>
  private let count: Int
  private let json: FormatJSONNode?
  let needs: FormatNeeds
  let contentType: OwnedText
  /// Nothing but literal text.
  let isConstant: Bool

  init(_ format: FormatString, names: HeaderNameTable) {
    var compiler = FormatCompiler(names: names)
    omitsEmpty = format.omitEmptyValues
    switch format.shape {
    case .text(let elements):
      let compiled = compiler.compile(elements)
      steps = compiler.memory.keep(compiled)
      count = compiled.count
      json = nil
      isConstant = compiled.allSatisfy { $0.code == .text }
    case .json(let value):
      json = FormatJSONNode(value, key: nil, isRoot: true, compiler: &compiler)
      steps = compiler.memory.keep([])
      count = 0
      isConstant = false
    }
    memory = compiler.memory
    needs = compiler.needs
    let usual = json == nil ? "text/plain" : "application/json"
    contentType = OwnedText(format.contentType.isEmpty ? usual : format.contentType)
  }

  /// Adds the text to the buffer. Of JSON, a line with its end.
  func write(_ context: inout FormatContext, to out: TextBuffer) {
    if let json {
      _ = json.write(&context, omit: omitsEmpty, to: out)
      out.append(UInt8(ascii: "\n"))
      return
    }
    FormatProgram.write(steps, count, &context, omit: omitsEmpty, to: out)
  }

  static func write(
    _ steps: UnsafePointer<FormatStep>, _ count: Int, _ context: inout FormatContext, omit: Bool,
    to out: TextBuffer
  ) {
    var index = 0
    while index < count {
      let step = steps + index
      index &+= 1
      if step.pointee.code == .text {
        out.append(step.pointee.text)
      } else if !step.pointee.write(&context, to: out), !omit {
        out.append(UInt8(ascii: "-"))
      }
    }
  }
}

/// A value of a JSON format.
final class FormatJSONNode {
  private enum Kind { case constant, single, joined, object, list }
  private let kind: Kind
  /// `"key":`, empty in a list.
  private let key: OwnedText
  private let constant: OwnedText
  private let steps: UnsafePointer<FormatStep>
  private let count: Int
  private let children: [FormatJSONNode]
  private let isNull: Bool
  private let isRoot: Bool

  init(_ value: FormatJSON, key: String?, isRoot: Bool = false, compiler: inout FormatCompiler) {
    self.isRoot = isRoot
    self.key = OwnedText(key.map { FormatJSONNode.quoted($0) + [UInt8(ascii: ":")] } ?? [])
    var constant: [UInt8] = []
    var compiled: [FormatStep] = []
    var children: [FormatJSONNode] = []
    switch value {
    case .object(let members):
      kind = .object
      children = members.map { FormatJSONNode($0.value, key: $0.key, compiler: &compiler) }
    case .list(let items):
      kind = .list
      children = items.map { FormatJSONNode($0, key: nil, compiler: &compiler) }
    case .text(let elements):
      compiled = compiler.compile(elements)
      if compiled.count == 1, compiled[0].code != .text {
        kind = .single
      } else if compiled.allSatisfy({ $0.code == .text }) {
        kind = .constant
        constant = FormatJSONNode.quoted(compiled.map(\.text.string).joined())
      } else {
        kind = .joined
      }
    case .number(let number):
      kind = .constant
      constant = Array(
        (number == number.rounded() && number.magnitude < 1e15 ? "\(Int64(number))" : "\(number)").utf8)
    case .bool(let flag):
      kind = .constant
      constant = Array((flag ? "true" : "false").utf8)
    case .null:
      kind = .constant
      constant = Array("null".utf8)
    }
    if case .null = value { isNull = true } else { isNull = false }
    self.constant = OwnedText(constant)
    self.children = children
    steps = compiler.memory.keep(compiled)
    count = compiled.count
  }

  private static func quoted(_ text: String) -> [UInt8] {
    let buffer = TextBuffer(capacity: 64)
    buffer.append(UInt8(ascii: "\""))
    for byte in text.utf8 { buffer.append(byte) }
    JSONText.escape(buffer, from: 1)
    buffer.append(UInt8(ascii: "\""))
    return buffer.view.array
  }

  /// False: it says nothing, and nothing was written (only with `omit`).
  func write(_ context: inout FormatContext, omit: Bool, to out: TextBuffer) -> Bool {
    let start = out.count
    out.append(key.view)
    switch kind {
    case .constant:
      if omit, isNull { return back(out, start) }
      out.append(constant.view)
    case .single:
      if !writeSingle(&context, to: out) {
        if omit { return back(out, start) }
        out.append("null")
      }
    case .joined:
      out.append(UInt8(ascii: "\""))
      let text = out.count
      FormatProgram.write(steps, count, &context, omit: omit, to: out)
      JSONText.escape(out, from: text)
      out.append(UInt8(ascii: "\""))
    case .object, .list:
      let isObject = kind == .object
      out.append(isObject ? UInt8(ascii: "{") : UInt8(ascii: "["))
      var written = 0
      for child in children {
        let before = out.count
        if written > 0 { out.append(UInt8(ascii: ",")) }
        if child.write(&context, omit: omit, to: out) { written += 1 } else { out.truncate(to: before) }
      }
      // An object that says nothing goes, but not the whole line; a list stays.
      if omit, isObject, written == 0, !isRoot { return back(out, start) }
      out.append(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"))
    }
    return true
  }

  private func back(_ out: TextBuffer, _ start: Int) -> Bool {
    out.truncate(to: start)
    return false
  }

  private func writeSingle(_ context: inout FormatContext, to out: TextBuffer) -> Bool {
    let step = steps.pointee
    // A value of metadata keeps its kind.
    if step.writesJSON { return step.writeJSON(context, to: out) }
    if step.code == .coalesce || !step.isNumber {
      out.append(UInt8(ascii: "\""))
      let text = out.count
      guard step.write(&context, to: out) else {
        out.truncate(to: text - 1)
        return false
      }
      JSONText.escape(out, from: text)
      out.append(UInt8(ascii: "\""))
      return true
    }
    return step.write(&context, to: out)
  }
}
