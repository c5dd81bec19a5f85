// One change of the query, compiled.
import EnvoyMatchers
import MartletSDK

struct ParameterMutation: ~Copyable, Sendable {
  private enum Action: Sendable { case remove, add, addIfAbsent, overwrite, overwriteIfExists }

  private let action: Action
  /// Not encoded.
  private let key: FrozenBytes
  private let value: MutationValue
  private let condition: FrozenList<Condition>

  init(
    _ mutation: Martlet_Filters_Http_HeaderMutation_V1_QueryParameterMutation,
    _ scope: inout ConfigurationScope, at path: String, parameter field: String
  ) throws {
    let parameter = mutation.parameter
    let parameterPath = path + field
    let action: Action
    let key: String
    var text = ""
    if parameter.hasAppend {
      if !parameter.remove.isEmpty {
        throw ConfigurationError("`append` and `remove` exclude each other", at: parameterPath)
      }
      let record = parameter.append.record
      guard case .stringValue(let value)? = record.value.kind else {
        throw ConfigurationError("expected text", at: "\(parameterPath).append.record.value")
      }
      action =
        switch parameter.append.action {
        case .addIfAbsent: .addIfAbsent
        case .overwriteIfExistsOrAdd: .overwrite
        case .overwriteIfExists: .overwriteIfExists
        case .appendIfExistsOrAdd, .UNRECOGNIZED: .add
        }
      key = record.key
      text = value
    } else {
      if parameter.remove.isEmpty {
        throw ConfigurationError("expected `append` or `remove`", at: parameterPath)
      }
      action = .remove
      key = parameter.remove
    }
    let value = try MutationValue(text, &scope, at: "\(parameterPath).append.record.value")
    let condition = try Condition.list(
      mutation.hasWhen ? mutation.when : nil, &scope, at: "\(path).when", ofResponse: false)
    self.action = action
    self.key = FrozenBytes(key)
    self.value = value
    self.condition = condition
  }

  borrowing func apply(to query: inout QueryParameters, _ stream: borrowing HTTPStream) {
    if !condition.isEmpty, !condition.span[0].holds(stream) { return }
    switch action {
    case .remove: query.remove(key.view)
    case .add: value.with(stream) { query.add(key.view, $0) }
    case .addIfAbsent:
      if !query.contains(key.view) { value.with(stream) { query.add(key.view, $0) } }
    case .overwrite: value.with(stream) { query.overwrite(key.view, $0, adds: true) }
    case .overwriteIfExists: value.with(stream) { query.overwrite(key.view, $0, adds: false) }
    }
  }
}
