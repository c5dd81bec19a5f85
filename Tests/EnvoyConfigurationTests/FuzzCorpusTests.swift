// The fuzz target over its seeds, whole and damaged, so that the target itself stays sound.

import EnvoyConfiguration
import Foundation
import Testing

@Suite struct FuzzCorpusTests {
  private static var seeds: [[UInt8]] {
    get throws {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../Fuzz/Corpus/configuration")
      return try FileManager.default.contentsOfDirectory(
        at: folder, includingPropertiesForKeys: nil
      )
      .sorted { $0.path < $1.path }.map { Array(try Data(contentsOf: $0)) }
    }
  }

  @Test func seeds() throws {
    let seeds = try Self.seeds
    #expect(seeds.count >= 20)
    for seed in seeds { seed.withUnsafeBytes { ConfigurationFuzz.one($0) } }
    [UInt8]().withUnsafeBytes { ConfigurationFuzz.one($0) }
  }

  @Test func damagedSeeds() throws {
    let signs = Array("{}[]:,-?&*!'\"%@#\n ".utf8)
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(max(1, bound)))
    }
    for seed in try Self.seeds where seed.count > 1 && seed.count < 4000 {
      for _ in 0..<25 {
        var bytes = seed
        for _ in 0...random(4) {
          switch random(4) {
          case 0: bytes[random(bytes.count)] = UInt8(random(256))
          case 1: bytes.insert(signs[random(signs.count)], at: random(bytes.count))
          case 2: bytes.remove(at: random(bytes.count))
          default: bytes.append(contentsOf: seed[random(seed.count)...].prefix(40))
          }
          if bytes.isEmpty { bytes = [0x7b] }
        }
        bytes.withUnsafeBytes { ConfigurationFuzz.one($0) }
      }
    }
  }
}
