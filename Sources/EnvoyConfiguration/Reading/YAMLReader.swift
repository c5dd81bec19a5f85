// YAML text to a tree, with a line for every node.
//
// It stands on libyaml's events, from the copy that Yams carries, and not on `Yams.compose`:
// compose stops at the first duplicate key, hashes complex keys (which an alias bomb makes
// exponential), and recurses once per level. The reader keeps its own stack instead, so that
// depth is a number to compare.
//
// Aliases share the node they name. A node's size and height are known when it is complete,
// so an alias adds exact numbers to its parent's, and the limits hold for the expanded tree.

internal import CYaml

struct YAMLReader {
  /// A text that cannot be read at all.
  struct Failure: Error {
    var line: Int
    var message: String
  }

  /// A node under construction or complete, with the measures of its expanded tree.
  private struct Measured {
    var node: ConfigurationNode
    var size = 1
    var height = 1
  }

  private struct Frame {
    var position: SourcePosition
    var anchor: String?
    var isMapping: Bool
    var elements: [ConfigurationNode] = []
    var entries: [ConfigurationNode.Entry] = []
    var key: (text: String, position: SourcePosition)?
    var size = 1
    var height = 1
  }

  private let file: Int
  private var stack: [Frame] = []
  private var anchors: [String: Measured] = [:]
  private var root: Measured?

  private init(file: Int) { self.file = file }

  /// Reads the first and only document. An empty text is null.
  static func read(_ bytes: UnsafeRawBufferPointer, file: Int) throws(Failure) -> ConfigurationNode {
    var reader = YAMLReader(file: file)
    return try reader.run(bytes)
  }

  private mutating func run(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> ConfigurationNode {
    var parser = yaml_parser_t()
    guard yaml_parser_initialize(&parser) == 1 else {
      throw Failure(line: 1, message: "out of memory")
    }
    defer { yaml_parser_delete(&parser) }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
    // libyaml asserts that there is an input, even when it has no bytes.
    let nothing: StaticString = ""
    let input = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? nothing.utf8Start
    yaml_parser_set_input_string(&parser, input, bytes.count)
    var documents = 0
    while true {
      var event = yaml_event_t()
      guard yaml_parser_parse(&parser, &event) == 1 else { throw Self.failure(of: parser) }
      defer { yaml_event_delete(&event) }
      if event.type == YAML_STREAM_END_EVENT { break }
      if event.type == YAML_DOCUMENT_START_EVENT {
        documents += 1
        guard documents == 1 else {
          throw Failure(
            line: Int(event.start_mark.line) + 1,
            message: "a second document begins here; a configuration is one document")
        }
      }
      try take(event)
    }
    return root?.node ?? ConfigurationNode(.null, at: SourcePosition(file: file, line: 1))
  }

  private mutating func take(_ event: yaml_event_t) throws(Failure) {
    let position = SourcePosition(file: file, line: Int(event.start_mark.line) + 1)
    switch event.type {
    case YAML_SCALAR_EVENT:
      try complete(
        Measured(node: try scalar(event, at: position)),
        anchor: Self.string(event.data.scalar.anchor))
    case YAML_SEQUENCE_START_EVENT:
      let start = event.data.sequence_start
      try checkTag(Self.string(start.tag), allowed: "tag:yaml.org,2002:seq", at: position)
      try push(Frame(position: position, anchor: Self.string(start.anchor), isMapping: false))
    case YAML_MAPPING_START_EVENT:
      let start = event.data.mapping_start
      try checkTag(Self.string(start.tag), allowed: "tag:yaml.org,2002:map", at: position)
      try push(Frame(position: position, anchor: Self.string(start.anchor), isMapping: true))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      guard let frame = stack.popLast() else { return }
      let content: ConfigurationNode.Content =
        frame.isMapping ? .mapping(frame.entries) : .sequence(frame.elements)
      try complete(
        Measured(
          node: ConfigurationNode(content, at: frame.position), size: frame.size,
          height: frame.height),
        anchor: frame.anchor)
    case YAML_ALIAS_EVENT:
      let name = Self.string(event.data.alias.anchor) ?? ""
      guard var target = anchors[name] else {
        throw Failure(line: position.line, message: "the alias *\(name) has no anchor before it")
      }
      if let parent = stack.last, parent.isMapping, parent.key == nil, target.height > 1 {
        throw Failure(line: position.line, message: "a mapping's key must be a scalar")
      }
      // Findings inside an alias are shown where the text stands: at the anchor.
      if case .scalar = target.node.content { target.node.position = position }
      try complete(target, anchor: nil)
    default: break
    }
  }

  private mutating func push(_ frame: Frame) throws(Failure) {
    if let parent = stack.last, parent.isMapping, parent.key == nil {
      throw Failure(line: frame.position.line, message: "a mapping's key must be a scalar")
    }
    stack.append(frame)
    guard stack.count <= ReadingLimits.depth else { throw Self.tooDeep(frame.position.line) }
  }

  /// Puts a finished node into its parent, or makes it the root.
  private mutating func complete(_ measured: Measured, anchor: String?) throws(Failure) {
    if let anchor { anchors[anchor] = measured }
    let line = measured.node.position.line
    guard let top = stack.indices.last else {
      root = measured
      return
    }
    guard stack.count + measured.height <= ReadingLimits.depth + 1 else { throw Self.tooDeep(line) }
    stack[top].height = max(stack[top].height, measured.height + 1)
    stack[top].size += measured.size
    guard stack[top].size <= ReadingLimits.nodes else {
      throw Failure(
        line: line, message: "more than \(ReadingLimits.nodes) values, counting what aliases repeat"
      )
    }
    if !stack[top].isMapping {
      stack[top].elements.append(measured.node)
    } else if let key = stack[top].key {
      stack[top].entries.append(.init(key: key.text, position: key.position, value: measured.node))
      stack[top].key = nil
    } else {
      let key: String
      switch measured.node.content {
      case .scalar(let scalar): key = scalar.text
      case .null: key = "null"
      case .sequence, .mapping:
        throw Failure(line: line, message: "a mapping's key must be a scalar")
      }
      stack[top].key = (key, measured.node.position)
    }
  }

  private func scalar(_ event: yaml_event_t, at position: SourcePosition) throws(Failure)
    -> ConfigurationNode
  {
    let data = event.data.scalar
    let buffer = UnsafeBufferPointer(start: data.value, count: data.length)
    let text = String(decoding: buffer, as: UTF8.self)
    var isQuoted = data.style != YAML_PLAIN_SCALAR_STYLE
    switch Self.string(data.tag) {
    case nil: break
    case "!", "tag:yaml.org,2002:str": isQuoted = true
    case "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool",
      "tag:yaml.org,2002:null":
      isQuoted = false
    case .some(let tag):
      throw Failure(
        line: position.line, message: "the tag \(tag) has no meaning in a configuration")
    }
    if !isQuoted, ["", "~", "null", "Null", "NULL"].contains(text) {
      return ConfigurationNode(.null, at: position)
    }
    return ConfigurationNode(.scalar(.init(text: text, isQuoted: isQuoted)), at: position)
  }

  private func checkTag(_ tag: String?, allowed: String, at position: SourcePosition)
    throws(Failure)
  {
    guard let tag, tag != allowed, tag != "!" else { return }
    throw Failure(line: position.line, message: "the tag \(tag) has no meaning in a configuration")
  }

  private static func tooDeep(_ line: Int) -> Failure {
    Failure(line: line, message: "nested more than \(ReadingLimits.depth) levels deep")
  }

  private static func string(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    pointer.map { String(cString: $0) }
  }

  private static func failure(of parser: yaml_parser_t) -> Failure {
    let problem = parser.problem.map { String(cString: $0) } ?? "unreadable"
    let context = parser.context.map { String(cString: $0) + ": " } ?? ""
    switch parser.error {
    case YAML_READER_ERROR:
      // The reader looks ahead, so that its offset is all that is known, not a line.
      return Failure(line: Int(parser.mark.line) + 1, message: "not UTF-8 text: \(problem)")
    default:
      return Failure(
        line: Int(parser.problem_mark.line) + 1, message: "not YAML: \(context)\(problem)")
    }
  }
}
