// Which buckets a configuration has: one for all requests, one for each descriptor, and one for each list of
// values of a descriptor with wildcards. `LimitState` is a set of such buckets.
import EnvoyMatchers
import MartletSDK
import SwiftProtobuf

typealias BucketMessage = Envoy_Type_V3_TokenBucket
typealias DescriptorMessage = Envoy_Extensions_Common_Ratelimit_V3_LocalRateLimitDescriptor

final class LimitShape: Sendable {
  /// What requests are counted by that match no descriptor, or all.
  enum Common: Sendable {
    case none
    case bucket(FillRate)
    /// `max_tokens: 0`
    case nothingPasses
  }
  struct Descriptor: ~Copyable, Sendable {
    let pattern: DescriptorPattern
    let rate: FillRate
    let isShadow: Bool
  }
  let common: Common
  let descriptors: FrozenList<Descriptor>
  /// Indexes of descriptors without wildcards by the hash of their entries, and of those with by the hash of
  /// their keys, in the order of the file.
  private let exact: [UInt64: Int]
  private let wild: [UInt64: [Int]]
  let dynamicLimit: Int
  let alwaysTakesCommon: Bool

  /// Milliseconds of an interval, at least.
  private static let shortest: UInt64 = 50

  init(
    common: BucketMessage?, _ descriptors: [DescriptorMessage], dynamicLimit: Int,
    alwaysTakesCommon: Bool, _ scope: inout ConfigurationScope
  ) throws {
    self.dynamicLimit = dynamicLimit
    self.alwaysTakesCommon = alwaysTakesCommon
    if let common {
      let rate = try Self.rate(common, at: "token_bucket")
      self.common = rate.maxTokens == 0 ? .nothingPasses : .bucket(rate)
    } else {
      self.common = .none
    }
    var seen: [[String]: Int] = [:]
    var exact: [UInt64: Int] = [:]
    var wild: [UInt64: [Int]] = [:]
    self.descriptors = try FrozenList(count: descriptors.count) { index in
      let message = descriptors[index]
      let path = "descriptors[\(index)]"
      let entries = message.entries.map { (key: $0.key, value: $0.value) }
      if let other = seen.updateValue(index, forKey: entries.flatMap { [$0.key, $0.value] }) {
        throw ConfigurationError("descriptors[\(other)] has the same entries", at: path)
      }
      let pattern = DescriptorPattern(entries)
      if pattern.isWildcard {
        wild[pattern.keyHash, default: []].append(index)
      } else {
        exact[pattern.entryHash] = index
      }
      return Descriptor(
        pattern: pattern, rate: try Self.rate(message.tokenBucket, at: "\(path).token_bucket"),
        isShadow: message.shadowMode)
    }
    self.exact = exact
    self.wild = wild
  }

  /// A bucket's size and rate.
  static func rate(_ message: BucketMessage, at path: String) throws -> FillRate {
    let interval = message.fillInterval
    let milliseconds =
      UInt64(clamping: interval.seconds) * 1000 + UInt64(clamping: interval.nanos / 1_000_000)
    if message.maxTokens > 0, milliseconds < shortest {
      throw ConfigurationError("expected 50 milliseconds or more", at: "\(path).fill_interval")
    }
    return FillRate(
      maxTokens: UInt64(message.maxTokens),
      tokensPerFill: message.hasTokensPerFill ? UInt64(message.tokensPerFill.value) : 1,
      interval: max(milliseconds, 1))
  }

  /// The configured descriptor that a request's one has all entries of, one without wildcards first.
  @inline(__always)
  func find(_ descriptor: RequestDescriptor, _ key: DescriptorKey) -> Int? {
    if let index = exact[key.entries], Self.matches(descriptors, index, descriptor) { return index }
    if wild.isEmpty { return nil }
    guard let candidates = wild[key.keys] else { return nil }
    for index in candidates where Self.matches(descriptors, index, descriptor) { return index }
    return nil
  }

  @inline(__always)
  private static func matches(
    _ all: borrowing FrozenList<Descriptor>, _ index: Int, _ descriptor: RequestDescriptor
  ) -> Bool { all.span[index].pattern.matches(descriptor) }
}

/// A set of buckets: of the configuration, for all workers, or of one connection. Keeps what it refers to.
final class LimitState: Sendable {
  let common: BucketReference?
  private enum Place: Sendable {
    case one(BucketReference)
    case dynamic(DynamicBuckets)
  }
  /// In the order of the descriptors.
  private let places: FrozenList<Place>
  private let owned: [TokenBucket]

  init(_ shape: LimitShape, now: UInt64) {
    var owned: [TokenBucket] = []
    func keep(_ bucket: TokenBucket) -> BucketReference {
      owned.append(bucket)
      return BucketReference(kept: bucket)
    }
    if case .bucket(let rate) = shape.common {
      common = keep(TokenBucket(rate, now: now))
    } else {
      common = nil
    }
    places = FrozenList(count: shape.descriptors.count) { index in
      Self.place(shape.descriptors, index, shape.dynamicLimit, now, keep)
    }
    self.owned = owned
  }

  /// The bucket of the configured descriptor at `index` for a request's descriptor.
  @inline(__always)
  func bucket(
    _ index: Int, _ descriptor: RequestDescriptor, _ key: DescriptorKey, now: UInt64
  ) -> BucketReference {
    switch Self.element(places, index) {
    case .one(let bucket): bucket
    case .dynamic(let buckets): BucketReference(owned: buckets.bucket(descriptor, key.entries, now: now))
    }
  }

  private static func element(_ places: borrowing FrozenList<Place>, _ index: Int) -> Place {
    places.span[index]
  }

  private static func place(
    _ descriptors: borrowing FrozenList<LimitShape.Descriptor>, _ index: Int, _ limit: Int, _ now: UInt64,
    _ keep: (TokenBucket) -> BucketReference
  ) -> Place {
    let rate = descriptors.span[index].rate
    let isShadow = descriptors.span[index].isShadow
    return descriptors.span[index].pattern.isWildcard
      ? .dynamic(DynamicBuckets(rate, isShadow: isShadow, limit: limit))
      : .one(keep(TokenBucket(rate, isShadow: isShadow, now: now)))
  }
}
