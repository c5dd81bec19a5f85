// When a mutation is made (beyond Envoy).
import EnvoyMatchers
import MartletSDK

typealias Condition = MessageCondition

extension MessageCondition {
  /// None or one: a list, because what is borrowed of it needs no reference count.
  static func list(
    _ condition: Martlet_Filters_Http_HeaderMutation_V1_Condition?,
    _ scope: inout ConfigurationScope, at path: String, ofResponse: Bool
  ) throws -> FrozenList<Condition> {
    try FrozenList(count: condition == nil ? 0 : 1) { _ in
      let condition = condition!
      return try MessageCondition(
        request: condition.requestHeaders, response: condition.responseHeaders,
        fraction: condition.hasRuntimeFraction ? condition.runtimeFraction : nil,
        isInverted: condition.invert,
        &scope, at: path, ofResponse: ofResponse)
    }
  }
}
