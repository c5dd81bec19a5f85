// Random numbers for load balancing, jitter and request ids: fast, per worker, seeded by the
// kernel. Not for secrets.
import CMartletSystem

struct RandomSource {
  private var state: (UInt64, UInt64)

  init() {
    var seed: (UInt64, UInt64) = (0, 0)
    _ = withUnsafeMutableBytes(of: &seed) { martlet_random($0.baseAddress, 16) }
    if seed.0 == 0 && seed.1 == 0 { seed.0 = martlet_monotonic_nanoseconds() | 1 }
    state = seed
  }

  /// The same numbers each time, for tests.
  init(seed: UInt64) { state = (seed, 0x9e37_79b9_7f4a_7c15) }

  /// xoroshiro128+ (Blackman and Vigna, 2018).
  @inline(__always)
  mutating func next() -> UInt64 {
    let a = state.0
    var b = state.1
    let result = a &+ b
    b ^= a
    state.0 = (a << 24 | a >> 40) ^ b ^ (b << 16)
    state.1 = b << 37 | b >> 27
    return result
  }

  /// 0 ..< bound, without the bias of a remainder that could be seen (bound < 2^32).
  @inline(__always)
  mutating func next(below bound: UInt64) -> UInt64 {
    ((next() >> 32) &* bound) >> 32
  }
}
