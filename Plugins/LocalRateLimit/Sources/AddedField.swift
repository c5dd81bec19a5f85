// A field that the filter adds to a request or to its own answer (`config.core.v3.HeaderValueOption`).
import EnvoyMatchers
import MartletSDK

struct AddedField: ~Copyable, Sendable {
  private enum Action: Sendable { case add, addIfAbsent, overwrite, overwriteIfExists }
  private let action: Action
  let name: FrozenBytes
  private let header: HeaderName
  private let literal: FrozenBytes
  private let format: Format?
  private let keepsEmpty: Bool
  private let joins: Bool

  static func list(
    _ options: [Envoy_Config_Core_V3_HeaderValueOption], _ scope: inout ConfigurationScope, at path: String
  ) throws -> FrozenList<AddedField> {
    try FrozenList(count: options.count) { try AddedField(options[$0], &scope, at: "\(path)[\($0)]") }
  }

  private init(
    _ option: Envoy_Config_Core_V3_HeaderValueOption, _ scope: inout ConfigurationScope, at path: String
  ) throws {
    let name = option.header.key.lowercased()
    if name.hasPrefix(":") || name == "host" || FieldNames.framing.contains(name) || name == "content-length"
    {
      throw ConfigurationError("\(name) is not for filters to set", at: "\(path).header.key")
    }
    if option.hasAppend, option.appendAction != .appendIfExistsOrAdd {
      throw ConfigurationError("`append` and `append_action` exclude each other", at: path)
    }
    let value = option.header.value
    let hasOperators = value.utf8.contains(UInt8(ascii: "%"))
    let header = try scope.header(name, at: "\(path).header.key")
    let format = hasOperators ? try scope.format(value, at: "\(path).header.value") : nil
    action = Self.action(option)
    self.name = FrozenBytes(name)
    self.header = header
    self.format = format
    literal = FrozenBytes(hasOperators ? "" : value)
    keepsEmpty = option.keepEmptyValue
    joins = FieldNames.inOneLine.contains(name)
  }

  private static func action(_ option: Envoy_Config_Core_V3_HeaderValueOption) -> Action {
    if option.hasAppend { return option.append.value ? .add : .overwrite }
    return switch option.appendAction {
    case .addIfAbsent: .addIfAbsent
    case .overwriteIfExistsOrAdd: .overwrite
    case .overwriteIfExists: .overwriteIfExists
    case .appendIfExistsOrAdd, .UNRECOGNIZED: .add
    }
  }

  /// Applies them all, 10 at most. As Envoy does it, all look at the fields as they were, and what
  /// overwrites goes first.
  static func apply(
    _ all: borrowing FrozenList<AddedField>, to fields: HeaderMap, _ stream: borrowing HTTPStream
  ) {
    let span = all.span
    var overwrites: UInt32 = 0
    var adds: UInt32 = 0
    for index in 0..<span.count {
      switch span[index].action {
      case .add: adds |= 1 << UInt32(index)
      case .addIfAbsent: if !fields.contains(span[index].header) { adds |= 1 << UInt32(index) }
      case .overwrite: overwrites |= 1 << UInt32(index)
      case .overwriteIfExists: if fields.contains(span[index].header) { overwrites |= 1 << UInt32(index) }
      }
    }
    for index in 0..<span.count where overwrites >> UInt32(index) & 1 == 1 {
      span[index].apply(to: fields, stream)
    }
    for index in 0..<span.count where adds >> UInt32(index) & 1 == 1 { span[index].apply(to: fields, stream) }
  }

  private borrowing func apply(to fields: HeaderMap, _ stream: borrowing HTTPStream) {
    if let format { apply(stream.text(of: format), fields) } else { apply(literal.view, fields) }
  }

  private borrowing func apply(_ value: BytesView, _ fields: HeaderMap) {
    if value.isEmpty, !keepsEmpty { return }
    switch action {
    case .add, .addIfAbsent: if joins { fields.append(name, value) } else { fields.add(name, value) }
    case .overwrite, .overwriteIfExists: fields.set(header, value)
    }
  }
}
