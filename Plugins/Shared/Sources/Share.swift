// A share of requests with a runtime key (`type.v3.FractionalPercent`).
package import MartletSDK

package struct Share: Sendable {
  package let numerator: UInt32
  package let denominator: UInt32

  package init(_ percent: Envoy_Type_V3_FractionalPercent) {
    numerator = percent.numerator
    switch percent.denominator {
    case .tenThousand: denominator = 10_000
    case .million: denominator = 1_000_000
    case .hundred, .UNRECOGNIZED: denominator = 100
    }
  }

  /// Whether this request falls into it, where runtime says nothing else at `key`.
  package func includes(
    _ stream: borrowing HTTPStream, _ key: RuntimeKey, numerator: UInt32? = nil
  ) -> Bool {
    stream.runtimeShare(
      key, numerator: numerator ?? self.numerator, denominator: denominator, random: stream.random)
  }
}
