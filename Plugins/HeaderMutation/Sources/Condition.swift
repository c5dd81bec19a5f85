// When a mutation is made (beyond Envoy).
import EnvoyMatchers
import MartletSDK

struct Condition: ~Copyable, Sendable {
  private let request: FrozenList<HeaderMatcher>
  private let response: FrozenList<HeaderMatcher>
  private let share: Share?
  private let key: RuntimeKey?
  private let isInverted: Bool

  init(
    _ condition: Martlet_Filters_Http_HeaderMutation_V1_Condition,
    _ scope: inout ConfigurationScope, at path: String, ofResponse: Bool
  ) throws {
    if !ofResponse, !condition.responseHeaders.isEmpty {
      throw ConfigurationError(
        "a request's mutation comes before its response", at: "\(path).response_headers")
    }
    let request = try HeaderMatcher.list(
      condition.requestHeaders, &scope, at: "\(path).request_headers")
    let response = try HeaderMatcher.list(
      condition.responseHeaders, &scope, at: "\(path).response_headers")
    let hasShare = condition.hasRuntimeFraction
    let key = hasShare ? try scope.runtimeKey(condition.runtimeFraction.runtimeKey) : nil
    self.request = request
    self.response = response
    self.key = key
    share = hasShare ? Share(condition.runtimeFraction.defaultValue) : nil
    isInverted = condition.invert
  }

  borrowing func holds(_ stream: borrowing HTTPStream) -> Bool {
    (request.allMatch(stream.requestHeaders, stream)
      && (response.isEmpty || response.allMatch(stream.responseHeaders, stream))
      && isDrawn(stream)) != isInverted
  }

  private borrowing func isDrawn(_ stream: borrowing HTTPStream) -> Bool {
    guard let share, let key else { return true }
    return share.includes(stream, key)
  }

  /// None or one: a list, because what is borrowed of it needs no reference count.
  static func list(
    _ condition: Martlet_Filters_Http_HeaderMutation_V1_Condition?,
    _ scope: inout ConfigurationScope, at path: String, ofResponse: Bool
  ) throws -> FrozenList<Condition> {
    try FrozenList(count: condition == nil ? 0 : 1) { _ in
      try Condition(condition!, &scope, at: path, ofResponse: ofResponse)
    }
  }
}
