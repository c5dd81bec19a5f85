// The fuzz targets: functions over bytes that end the process when something that must always hold
// does not. Scripts/fuzz.sh runs them under libFuzzer and the address sanitizer; the replay test
// runs them over the committed corpus, so that what was found once stays found.
import EnvoyConfiguration

@testable import DataPlane

enum FuzzTarget: String, CaseIterable {
  case request, response, chunked, proxyProtocol = "proxy-protocol", configuration, format,
    path = "path-normalization", forwardedFor = "forwarded-for"
  case pathTemplate = "path-template", parameters

  func run(_ input: UnsafeRawBufferPointer) {
    switch self {
    case .request: HeadFuzz.run(.request, Array(input))
    case .response: HeadFuzz.run(.response, Array(input))
    case .chunked: ChunkedFuzz.run(Array(input))
    case .proxyProtocol: ProxyProtocolFuzz.run(Array(input))
    case .configuration: ConfigurationFuzz.one(input)
    case .pathTemplate: PathTemplateFuzz.run(Array(input))
    case .parameters: ParametersFuzz.run(Array(input))
    case .format: FormatFuzz.run(Array(input))
    case .path: PathFuzz.run(Array(input))
    case .forwardedFor: ForwardedForFuzz.run(Array(input))
    }
  }
}

/// The one way in which a target fails.
func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
  if !condition { fatalError("fuzz: \(what())") }
}

/// Memory of exactly the bytes' size, so that the sanitizer sees the first one too far.
func withExactCopy<Result>(
  _ bytes: ArraySlice<UInt8>, _ body: (UnsafeMutablePointer<UInt8>, Int) -> Result
) -> Result {
  let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
  for (index, byte) in bytes.enumerated() { copy[index] = byte }
  defer { copy.deallocate() }
  return body(copy, bytes.count)
}

/// Places to cut an input at, drawn from its own bytes: the same input is always cut alike.
func cuts(_ input: [UInt8], _ count: Int) -> [Int] {
  var hash: UInt64 = 14_695_981_039_346_656_037
  for byte in input { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
  var result: [Int] = []
  for _ in 0..<count where input.count > 1 {
    hash = hash &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    result.append(1 + Int((hash >> 33) % UInt64(input.count - 1)))
  }
  return Set(result).sorted()
}
