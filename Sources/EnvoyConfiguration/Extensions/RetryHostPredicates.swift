// Retry host predicates: which endpoints another attempt does not go to.

internal import Model
internal import SwiftProtobuf

enum RetryHostPredicate { case previousHosts }

typealias RetryHostPredicateExtension = ConfigurationExtension<RetryHostPredicate>

extension ConfigurationExtension where Output == RetryHostPredicate {
  /// The category `envoy.retry_host_predicates`.
  static var all: [Self] {
    [
      Self(Envoy_Extensions_Retry_Host_PreviousHosts_V3_PreviousHostsPredicate.self) { _, _, _ in
        .previousHosts
      }
    ]
  }
}
