// When something is done with a message (beyond Envoy): headers of request and response, and a share.
package import MartletSDK

package struct MessageCondition: ~Copyable, Sendable {
  private let request: FrozenList<HeaderMatcher>
  private let response: FrozenList<HeaderMatcher>
  private let share: Share?
  private let key: RuntimeKey?
  private let isInverted: Bool

  /// `path` names the message that has the fields `request_headers`, `response_headers` and
  /// `runtime_fraction`.
  package init(
    request requestHeaders: [Envoy_Config_Route_V3_HeaderMatcher],
    response responseHeaders: [Envoy_Config_Route_V3_HeaderMatcher],
    fraction: Envoy_Config_Core_V3_RuntimeFractionalPercent?, isInverted: Bool,
    _ scope: inout ConfigurationScope, at path: String, ofResponse: Bool
  ) throws {
    if !ofResponse, !responseHeaders.isEmpty {
      throw ConfigurationError(
        "what is done with a request comes before its response", at: "\(path).response_headers")
    }
    let request = try HeaderMatcher.list(requestHeaders, &scope, at: "\(path).request_headers")
    let response = try HeaderMatcher.list(responseHeaders, &scope, at: "\(path).response_headers")
    let key = try fraction.map { try scope.runtimeKey($0.runtimeKey) }
    self.request = request
    self.response = response
    self.key = key
    share = fraction.map { Share($0.defaultValue) }
    self.isInverted = isInverted
  }

  package borrowing func holds(_ stream: borrowing HTTPStream) -> Bool {
    (request.allMatch(stream.requestHeaders, stream)
      && (response.isEmpty || response.allMatch(stream.responseHeaders, stream))
      && isDrawn(stream)) != isInverted
  }

  private borrowing func isDrawn(_ stream: borrowing HTTPStream) -> Bool {
    guard let share, let key else { return true }
    return share.includes(stream, key)
  }
}
