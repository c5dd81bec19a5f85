// The tree that every reader gives and every later step takes: YAML and JSON alike, before
// anything is known about fields. Scalars keep their text and whether they were quoted,
// because what `n` or `010` means depends on the field they stand in.
//
// Nodes are values whose arrays are shared: an alias costs nothing until it is walked. The
// readers bound how large the walked tree can be (see ReadingLimits).

/// Where a node stands.
struct SourcePosition: Hashable, Sendable {
  /// An index into the names of the loaded files, in the order in which they were given.
  var file: Int
  /// 1...
  var line: Int
}

struct ConfigurationNode: Sendable {
  enum Content: Sendable {
    case null
    case scalar(Scalar)
    case sequence([ConfigurationNode])
    case mapping([Entry])
  }

  struct Scalar: Sendable {
    var text: String
    /// In quotes, a block scalar or tagged `!!str`: never a number, boolean or null by itself.
    var isQuoted: Bool
  }

  struct Entry: Sendable {
    var key: String
    var position: SourcePosition
    var value: ConfigurationNode
    /// Stands for a field that the upgrade refused and took away; it has no key and no value.
    var isRefused = false
  }

  var content: Content
  var position: SourcePosition

  init(_ content: Content, at position: SourcePosition) {
    self.content = content
    self.position = position
  }

  /// A quoted scalar.
  static func text(_ text: String, at position: SourcePosition) -> Self {
    Self(.scalar(Scalar(text: text, isQuoted: true)), at: position)
  }

  var isNull: Bool {
    if case .null = content { return true }
    return false
  }

  var entries: [Entry]? {
    if case .mapping(let entries) = content { return entries }
    return nil
  }

  var elements: [ConfigurationNode]? {
    if case .sequence(let elements) = content { return elements }
    return nil
  }

  /// The text of a scalar, quoted or not.
  var text: String? {
    if case .scalar(let scalar) = content { return scalar.text }
    return nil
  }

  /// The value of a key of a mapping; nil where it is absent or this is no mapping.
  subscript(key: String) -> ConfigurationNode? {
    entries?.first { $0.key == key }?.value
  }

  /// What a person would call it in "expected ..., found ...".
  var summary: String {
    switch content {
    case .null: return "null"
    case .sequence: return "a list"
    case .mapping: return "a mapping"
    case .scalar(let scalar):
      let shown = scalar.text.count > 60 ? scalar.text.prefix(60) + "..." : scalar.text[...]
      return scalar.isQuoted ? "the text \"\(shown)\"" : "`\(shown)`"
    }
  }
}
