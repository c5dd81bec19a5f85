// A bucket without a count of its users: all workers would change that count for every request, which costs
// more than to take a token. It stands for buckets that somebody else keeps alive (the settings of a filter,
// which outlive its streams), or owns one that may be given up meanwhile.

struct BucketReference: @unchecked Sendable {
  private let reference: Unmanaged<TokenBucket>
  private let owner: TokenBucket?

  /// The caller keeps the bucket alive for as long as the reference is used.
  init(kept bucket: TokenBucket) {
    reference = .passUnretained(bucket)
    owner = nil
  }

  init(owned bucket: TokenBucket) {
    reference = .passUnretained(bucket)
    owner = bucket
  }

  @inline(__always)
  func with<Result>(_ body: (TokenBucket) -> Result) -> Result {
    reference._withUnsafeGuaranteedRef { body($0) }
  }

  @inline(__always) var isShadow: Bool { with { $0.isShadow } }
  @inline(__always) var perSecond: Double { with { $0.rate.perSecond } }
}
