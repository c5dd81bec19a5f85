// The bucket: what it holds at which time, whatever the rate, and under many threads at once.
import Synchronization
import Testing

@testable import LocalRateLimit

@Suite
struct TokenBucketTests {
  private let start: UInt64 = 5_000_000_000_000

  private func bucket(_ most: UInt64, _ perFill: UInt64 = 1, _ milliseconds: UInt64 = 1000) -> TokenBucket {
    TokenBucket(FillRate(maxTokens: most, tokensPerFill: perFill, interval: milliseconds), now: start)
  }

  private func takeAll(_ bucket: TokenBucket, _ now: UInt64, _ atMost: Int = 100_000) -> Int {
    var count = 0
    while count < atMost, bucket.take(now: now) { count += 1 }
    return count
  }

  @Test(
    arguments: [
      (1, 1, 50), (5, 3, 10_000), (17, 17, 1000), (1, 97, 51), (10_000, 1, 86_400_000), (60_000, 1000, 50),
      (4_294_967_295, 4_294_967_295, 50), (4_294_967_295, 1, 315_576_000_000_000), (7, 4_294_967_291, 60_001),
    ] as [(UInt64, UInt64, UInt64)])
  func isFullAtFirst(_ most: UInt64, _ perFill: UInt64, _ milliseconds: UInt64) {
    let bucket = bucket(most, perFill, milliseconds)
    #expect(bucket.remaining(now: start) == most)
    let taken = takeAll(bucket, start)
    #expect(taken == Int(min(most, 100_000)))
    #expect(bucket.remaining(now: start) == most - UInt64(taken))
  }

  @Test func fillsEvenly() {
    let bucket = bucket(3, 2, 1000)
    #expect(takeAll(bucket, start) == 3)
    #expect(!bucket.take(now: start + 499_999_999))
    #expect(bucket.take(now: start + 500_000_000))
    #expect(!bucket.take(now: start + 999_999_999))
    #expect(takeAll(bucket, start + 1_500_000_000) == 2)
    // Never more than it can hold.
    #expect(takeAll(bucket, start + 900_000_000_000) == 3)
  }

  @Test func seconds() {
    let bucket = bucket(2, 3, 10_000)
    #expect(bucket.secondsToNext(now: start) == 0)
    #expect(bucket.take(now: start) && bucket.secondsToNext(now: start) == 0)
    #expect(bucket.take(now: start) && bucket.secondsToNext(now: start) == 4)
    #expect(bucket.secondsToNext(now: start + 3_000_000_000) == 1)
    #expect(bucket.secondsToNext(now: start + 3_333_333_334) == 0)
  }

  @Test func manyAtOnce() {
    let bucket = bucket(10, 10, 1000)
    #expect(!bucket.take(11, now: start) && bucket.remaining(now: start) == 10)
    #expect(bucket.take(0, now: start) && bucket.remaining(now: start) == 10)
    #expect(bucket.take(7, now: start) && bucket.remaining(now: start) == 3)
    #expect(!bucket.take(4, now: start) && bucket.remaining(now: start) == 3)
    bucket.giveBack(2, now: start)
    #expect(bucket.remaining(now: start) == 5)
    bucket.giveBack(1_000_000_000, now: start)
    #expect(bucket.remaining(now: start) == 10 && bucket.take(10, now: start) && !bucket.take(now: start))
  }

  @Test func aBucketOfNothing() {
    let bucket = bucket(0)
    #expect(!bucket.take(now: start + 1_000_000_000_000) && bucket.remaining(now: start) == 0)
    #expect(bucket.secondsToNext(now: start) == 1)
    bucket.giveBack(5, now: start)
    #expect(!bucket.take(now: start))
  }

  /// A worker's clock may be behind another's: it sees less, never more.
  @Test func clocksThatDiffer() {
    let bucket = bucket(2, 1, 1000)
    #expect(bucket.take(now: start + 2_000_000_000) && bucket.take(now: start + 2_000_000_000))
    #expect(!bucket.take(now: start + 1_000_000_000))
    #expect(!bucket.take(now: start + 2_999_999_999))
    #expect(bucket.take(now: start + 3_000_000_000))
  }

  /// Over any window no more than the bucket holds and what comes meanwhile: whatever the rate, in steps of
  /// any length.
  @Test(arguments: 0..<200)
  func neverMore(_ seed: Int) {
    var random = SplitMix(UInt64(seed))
    let most = random.next() % 50 + 1
    let perFill = random.next() % 4000 + 1
    let milliseconds = random.next() % 5000 + 50
    let bucket = bucket(most, perFill, milliseconds)
    var now = start
    var admitted: [UInt64] = []
    for _ in 0..<400 {
      now += random.next() % (2 * milliseconds * 1_000_000 / perFill + 2)
      if random.next() % 4 != 0, bucket.take(now: now) { admitted.append(now) }
    }
    var worst = -Double.infinity
    for first in admitted.indices {
      for last in first..<admitted.count {
        let window = Double(admitted[last] - admitted[first])
        let allowed = Double(most) + window * Double(perFill) / Double(milliseconds * 1_000_000)
        worst = max(worst, Double(last - first + 1) - allowed)
      }
    }
    #expect(worst <= 1e-6 && !admitted.isEmpty)
  }

  /// Many threads, a clock that moves as they take: exactly what the bucket had and got.
  @Test func threads() async {
    let bucket = bucket(1000, 7, 50)
    let shared = Race(start)
    let steps = 20_000
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<steps {
            let now = shared.clock.wrappingAdd(20_000, ordering: .relaxed).newValue
            if bucket.take(now: now) { shared.taken.wrappingAdd(1, ordering: .relaxed) }
          }
        }
      }
    }
    let elapsed = shared.clock.load(ordering: .relaxed) - start
    let came = elapsed * 7 / 50_000_000
    let left = bucket.remaining(now: start + elapsed)
    let total = UInt64(shared.taken.load(ordering: .relaxed)) + left
    #expect(total <= 1000 + came)
    // All of them ask all the time, so that hardly anything is lost.
    #expect(total + 2 >= 1000 + came)
  }
}

/// What the threads have in common.
private final class Race: Sendable {
  let clock: Atomic<UInt64>
  let taken = Atomic<Int>(0)
  init(_ start: UInt64) { clock = Atomic(start) }
}

private struct SplitMix {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
