// The committed corpora through the fuzz targets. A target that fails ends the process, and says why.
import Foundation
import Testing

@Suite(.serialized) struct CorpusReplayTests {
  private func files(_ target: FuzzTarget) throws -> [URL] {
    let folder = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().appendingPathComponent("../Corpus/\(target.rawValue)")
    return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .sorted { $0.path < $1.path }
  }

  @Test(arguments: FuzzTarget.allCases)
  func theCorpus(_ target: FuzzTarget) throws {
    let files = try files(target)
    #expect(files.count >= 10)
    for file in files {
      try Data(contentsOf: file).withUnsafeBytes { target.run($0) }
    }
    target.run(UnsafeRawBufferPointer(start: nil, count: 0))
  }

  /// A little damage to each, the same in every run.
  @Test(arguments: FuzzTarget.allCases.filter { $0 != .configuration })
  func theCorpusDamaged(_ target: FuzzTarget) throws {
    var state: UInt64 = 1
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(max(bound, 1)))
    }
    for file in try files(target) {
      let seed = Array(try Data(contentsOf: file))
      for _ in 0..<20 {
        var bytes = seed
        for _ in 0...random(3) {
          switch random(4) {
          case 0 where !bytes.isEmpty: bytes[random(bytes.count)] = UInt8(random(256))
          case 1 where !bytes.isEmpty: bytes.remove(at: random(bytes.count))
          case 2: bytes.insert(Array("\r\n:;, \t0aF".utf8)[random(10)], at: random(bytes.count + 1))
          default: bytes.append(contentsOf: seed.prefix(random(seed.count)))
          }
        }
        bytes.withUnsafeBytes { target.run($0) }
      }
    }
  }
}
