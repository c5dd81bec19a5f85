// envoy.filters.network.local_ratelimit: connections over a limit are closed at once.
import EnvoyMatchers
import MartletSDK
import SwiftProtobuf
import Synchronization

typealias ConnectionLimitMessage = Envoy_Extensions_Filters_Network_LocalRatelimit_V3_LocalRateLimit

extension ConnectionLimitMessage: ProtobufConfiguration {
  static var typeName: String { protoMessageName }
  init(protobuf bytes: [UInt8]) throws { try self.init(serializedBytes: bytes) }
}

struct ConnectionLimitFilter: NetworkFilter, OnNewConnection {
  static let name = "envoy.filters.network.local_ratelimit"
  static let descriptors = Descriptors(base64: embeddedDescriptors)
  /// Each place has a bucket of its own.
  static let isStateful = true

  final class Settings: FilterSettings {
    /// Keeps what `reference` stands for. Nil: no connection passes.
    private let bucket: TokenBucket?
    let reference: BucketReference?
    let limited: Counter
    let isEnabled: Bool
    let runtime: RuntimeKey?

    init(_ message: ConnectionLimitMessage, _ scope: inout ConfigurationScope) throws {
      let rate = try LimitShape.rate(message.tokenBucket, at: "token_bucket")
      bucket = rate.maxTokens == 0 ? nil : SharedBuckets.bucket(message.shareKey, rate, now: scope.now)
      reference = bucket.map { BucketReference(kept: $0) }
      limited = try scope.counter("local_rate_limit.\(message.statPrefix).rate_limited", relative: false)
      isEnabled = message.hasRuntimeEnabled ? message.runtimeEnabled.defaultValue.value : true
      let key = message.runtimeEnabled.runtimeKey
      runtime = key.isEmpty ? nil : try scope.runtimeKey(key)
    }
  }

  init(_ connection: inout NetworkConnection, _ settings: Settings) {}

  mutating func onNewConnection(
    _ connection: inout NetworkConnection, _ settings: Settings
  ) -> NetworkStatus {
    let isEnabled =
      settings.runtime.map { connection.runtime($0, otherwise: settings.isEnabled) } ?? settings.isEnabled
    guard isEnabled else { return .continue }
    let now = connection.now
    if settings.reference?.with({ $0.take(now: now) }) ?? false { return .continue }
    connection.add(to: settings.limited)
    connection.addResponseFlag("RL")
    connection.close(.now)
    return .stop
  }
}

/// Buckets that filters of the same `share_key` and the same rate have together, for as long as one of them
/// stands.
private enum SharedBuckets {
  private struct Key: Hashable {
    let name: String
    let rate: FillRate
  }
  private struct Reference {
    weak var bucket: TokenBucket?
  }
  private static let buckets = Mutex<[Key: Reference]>([:])

  /// Control thread.
  static func bucket(_ name: String, _ rate: FillRate, now: UInt64) -> TokenBucket {
    let made = TokenBucket(rate, now: now)
    if name.isEmpty { return made }
    return buckets.withLock { buckets in
      buckets = buckets.filter { $0.value.bucket != nil }
      let key = Key(name: name, rate: rate)
      if let known = buckets[key]?.bucket { return known }
      buckets[key] = Reference(bucket: made)
      return made
    }
  }
}
