// One change of headers or trailers, compiled.
import EnvoyMatchers
import MartletSDK

struct FieldMutation: ~Copyable, Sendable {
  private enum Action: Sendable {
    case remove
    case removeOnMatch
    /// `joins`: behind a comma to the field that is there.
    case add(joins: Bool)
    case addIfAbsent
    case overwrite
    case overwriteIfExists
    case substitute(RegularExpression)
  }

  private let action: Action
  private let header: HeaderName
  private let name: FrozenBytes
  private let value: MutationValue
  private let keepsEmpty: Bool
  /// One for `.removeOnMatch`.
  private let matcher: FrozenList<TextMatcher>
  /// None or one.
  private let condition: FrozenList<Condition>

  init(
    _ mutation: Martlet_Filters_Http_HeaderMutation_V1_Mutation, _ scope: inout ConfigurationScope,
    at path: String, header field: String, ofResponse: Bool
  ) throws {
    let action: Action
    var name = ""
    var value = ("", "")
    var keepsEmpty = false
    var matcherMessage: (Envoy_Type_Matcher_V3_StringMatcher, path: String)?
    switch mutation.action {
    case .header(let change):
      let path = path + field
      switch change.action {
      case .remove(let removed):
        name = removed
        try Self.checkChangeable(name, at: "\(path).remove")
        action = .remove
      case .removeOnMatch(let message):
        matcherMessage = (message.keyMatcher, "\(path).remove_on_match.key_matcher")
        action = .removeOnMatch
      case .append(let option):
        name = option.header.key.lowercased()
        try Self.checkChangeable(name, at: "\(path).append.header.key")
        if name == "content-length" {
          throw ConfigurationError(
            "a second length would let two readers of a message disagree about where it ends",
            at: "\(path).append.header.key")
        }
        action = try Self.action(option, name, at: "\(path).append")
        value = (option.header.value, "\(path).append.header.value")
        keepsEmpty = option.keepEmptyValue
      case nil: throw ConfigurationError("expected a change", at: path)
      }
    case .substitute(let substitution):
      name = substitution.header.lowercased()
      if name != ":path", name != ":authority" {
        try Self.checkChangeable(name, at: "\(path).substitute.header")
      }
      action = .substitute(
        try scope.regularExpression(
          substitution.rewrite.pattern.regex, at: "\(path).substitute.rewrite.pattern.regex"))
      // No format: a percent sign in it is one.
      value = (substitution.rewrite.substitution, "")
    case nil: throw ConfigurationError("expected a change", at: path)
    }
    let header = try scope.header(name.isEmpty ? "x" : name, at: path)
    let isLiteral = if case .substitute = action { true } else { false }
    let compiled = try MutationValue(value.0, isLiteral: isLiteral, &scope, at: value.1)
    let matcher = try FrozenList(count: matcherMessage == nil ? 0 : 1) { _ in
      try TextMatcher(matcherMessage!.0, &scope, at: matcherMessage!.path)
    }
    let condition = try Condition.list(
      mutation.hasWhen ? mutation.when : nil, &scope, at: "\(path).when", ofResponse: ofResponse)
    self.action = action
    self.header = header
    self.name = FrozenBytes(name.lowercased())
    self.value = compiled
    self.keepsEmpty = keepsEmpty
    self.matcher = matcher
    self.condition = condition
  }

  private static func action(
    _ option: Envoy_Config_Core_V3_HeaderValueOption, _ name: String, at path: String
  ) throws -> Action {
    if option.hasAppend {
      if option.appendAction != .appendIfExistsOrAdd {
        throw ConfigurationError("`append` and `append_action` exclude each other", at: path)
      }
      return option.append.value ? .add(joins: FieldNames.inOneLine.contains(name)) : .overwrite
    }
    return switch option.appendAction {
    case .addIfAbsent: .addIfAbsent
    case .overwriteIfExistsOrAdd: .overwrite
    case .overwriteIfExists: .overwriteIfExists
    case .appendIfExistsOrAdd, .UNRECOGNIZED: .add(joins: FieldNames.inOneLine.contains(name))
    }
  }

  private static func checkChangeable(_ name: String, at path: String) throws {
    let name = name.lowercased()
    if name.hasPrefix(":") || name == "host" {
      throw ConfigurationError("headers that begin with ':' and host cannot be changed", at: path)
    }
    if FieldNames.framing.contains(name) {
      throw ConfigurationError("the proxy frames its messages itself: \(name) is its own", at: path)
    }
    if name.isEmpty { throw ConfigurationError("expected the name of a header", at: path) }
  }

  borrowing func apply(to fields: HeaderMap, _ stream: borrowing HTTPStream) {
    if !condition.isEmpty, !condition.span[0].holds(stream) { return }
    switch action {
    case .remove: fields.remove(header)
    case .removeOnMatch: removeMatching(fields, stream)
    case .substitute(let expression): substitute(expression, fields, stream)
    case .add(let joins):
      value.with(stream) { value in
        if value.isEmpty, !keepsEmpty { return }
        if joins { fields.append(name, value) } else { fields.add(name, value) }
      }
    case .addIfAbsent:
      if fields.contains(header) { return }
      value.with(stream) { if !$0.isEmpty || keepsEmpty { fields.add(name, $0) } }
    case .overwrite:
      value.with(stream) { if !$0.isEmpty || keepsEmpty { fields.set(header, $0) } }
    case .overwriteIfExists:
      if !fields.contains(header) { return }
      value.with(stream) { if !$0.isEmpty || keepsEmpty { fields.set(header, $0) } }
    }
  }

  private borrowing func removeMatching(_ fields: HeaderMap, _ stream: borrowing HTTPStream) {
    var index = 0
    while let field = fields.field(at: index) {
      // What cannot be removed (a field of the message's framing) stays.
      if matcher.span[0].matches(field.name, stream), fields.remove(field.name).isOK { continue }
      index += 1
    }
  }

  /// Each value of the header is rewritten for itself.
  private borrowing func substitute(
    _ expression: RegularExpression, _ fields: HeaderMap, _ stream: borrowing HTTPStream
  ) {
    var count = 0
    while fields.value(header, at: count) != nil { count += 1 }
    if count == 1, let old = fields[header] {
      guard let new = replaced(expression, old, stream), !new.equals(old) else { return }
      fields.set(header, new)
    } else if count > 1 {
      // All are read before any is set: the first replaces them all, the rest follow it.
      var values: [[UInt8]] = []
      for index in 0..<count {
        guard let old = fields.value(header, at: index) else { continue }
        if let new = replaced(expression, old, stream) {
          values.append([UInt8](new))
        } else {
          values.append([UInt8](old))
        }
      }
      fields.set(header, values[0])
      for value in values.dropFirst() { fields.add(name, value) }
    }
  }

  @_lifetime(copy stream)
  private borrowing func replaced(
    _ expression: RegularExpression, _ old: BytesView, _ stream: borrowing HTTPStream
  ) -> BytesView? {
    stream.replacing(expression, in: old, with: value.literalView)
  }
}
