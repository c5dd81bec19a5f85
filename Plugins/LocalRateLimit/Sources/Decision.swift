// Whether a request passes its limits, and which bucket its answer tells of.
//
//     descriptors of the request -> buckets of those that are configured, the slowest first
//                                -> the common bucket, where none has matched or it counts always
//
// The first bucket that has too little stops the request; those before it have given their tokens. A bucket
// in shadow mode stops nothing: the others are asked all the same, and where they let the request pass it is
// noted.
import MartletSDK

struct Decision {
  /// Nil: there is no bucket that has decided.
  var bucket: BucketReference?
  var headers = LimitHeaders.unspecified
  var isAllowed = true
  /// It is allowed, and a bucket in shadow mode would have stopped it.
  var isShadowed = false
}

/// What a request's descriptors have matched. Kept by the worker, so that requests allocate nothing.
struct Match {
  let bucket: BucketReference
  let hits: UInt64
  let givesBack: Bool
  let headers: LimitHeaders
}

extension LimitShape {
  /// Decides one request that has these matches, and empties them.
  func decide(_ state: LimitState, _ matches: inout [Match], now: UInt64) -> Decision {
    if matches.count > 1 { Self.sort(&matches) }
    defer { matches.removeAll(keepingCapacity: true) }
    var decision = Decision()
    for match in matches {
      if match.givesBack {
        match.bucket.with { $0.giveBack(match.hits, now: now) }
      } else if !match.bucket.with({ $0.take(match.hits, now: now) }) {
        guard match.bucket.isShadow else {
          return Decision(bucket: match.bucket, headers: match.headers, isAllowed: false)
        }
        decision.isShadowed = true
      }
    }
    if let first = matches.first {
      decision.bucket = first.bucket
      decision.headers = first.headers
      if !alwaysTakesCommon { return decision }
    }
    switch common {
    case .none: break
    case .nothingPasses: return Decision(isAllowed: false)
    case .bucket:
      guard let common = state.common else { break }
      guard common.with({ $0.take(now: now) }) else {
        return Decision(bucket: common, isAllowed: false)
      }
      if decision.bucket == nil { decision.bucket = common }
    }
    return decision
  }

  /// By the rate, the slowest first; those of one rate stay in their order. There are few.
  private static func sort(_ matches: inout [Match]) {
    for index in 1..<matches.count {
      var place = index
      while place > 0, matches[place].bucket.perSecond < matches[place - 1].bucket.perSecond {
        matches.swapAt(place, place - 1)
        place -= 1
      }
    }
  }
}
